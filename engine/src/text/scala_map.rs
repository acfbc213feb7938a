//! A string map that iterates like Scala 2.11's immutable `Map`.
//!
//! Up to four entries keep insertion order; the fifth distinct key turns the map into a hash trie,
//! which it stays, and which iterates by the improved hash of the keys. The order is visible in
//! JSON built from parameters, in the order of messages of a bad row, and in which of two
//! parameters for one column wins.
//!
//! In: keys and values. Out: the same in Scala's order. Finding a key takes constant time for large maps too,
//! whatever the keys are; the order is computed when the map is iterated, unless it was collected at once.

mod hash;

#[cfg(test)]
mod tests;

pub use hash::{
    improved_hash_order, java_string_hash, mutable_group_order, mutable_map_order, product_hash,
};

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of entries up to which keys are found by looking at all of them.
const LINEAR: usize = 48;

/// Map from strings to `V` in Scala's iteration order.
#[derive(Debug, Clone)]
pub struct ScalaMap<V> {
    /// In insertion order of the keys, or in iteration order if `sorted`.
    entries: Vec<Entry<V>>,
    /// More than four entries were there at some time.
    hashed: bool,
    /// The entries stand in iteration order.
    sorted: bool,
    /// Number of the next entry or replacement.
    next: u64,
    /// Positions in `entries`, once there were more than [`LINEAR`].
    index: Option<Index>,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    /// The place of the key's hash in the trie.
    order: u32,
    /// Tells keys of one hash apart: Scala moves a replaced one to the end.
    sequence: u64,
    key: String,
    value: V,
}

#[derive(Debug, Clone, Default)]
struct Index {
    hasher: DefaultHashBuilder,
    table: HashTable<usize>,
}

impl<V> Default for ScalaMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> ScalaMap<V> {
    /// The empty map.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            hashed: false,
            sorted: true,
            next: 0,
            index: None,
        }
    }

    /// Adds `key`, or replaces its value at its old position.
    pub fn insert(&mut self, key: impl Into<String>, value: V) {
        let key = key.into();
        let order = order_of(&key);
        let sequence = self.next;
        self.next += 1;
        if let Some(at) = self.position(&key, order) {
            self.entries[at].value = value;
            let twin = |at: usize| self.entries.get(at).is_some_and(|e| e.order == order);
            // a key that shares its hash with another moves behind it
            if self.hashed && (!self.sorted || twin(at + 1) || (at > 0 && twin(at - 1))) {
                self.entries[at].sequence = sequence;
                self.sorted = false;
            }
            return;
        }
        self.entries.push(Entry {
            order,
            sequence,
            key,
            value,
        });
        let len = self.entries.len();
        if len > 4 {
            self.hashed = true;
        }
        if self.hashed {
            self.sorted = false;
        }
        match &mut self.index {
            Some(index) => index.add(&self.entries, len - 1),
            None if len > LINEAR => self.rebuild_index(),
            None => {}
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        let at = self.position(key, order_of(key))?;
        Some(&self.entries[at].value)
    }

    /// The value of `key`, to be changed in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let at = self.position(key, order_of(key))?;
        Some(&mut self.entries[at].value)
    }

    /// Removes `key`; a map that was hashed stays hashed.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let at = self.position(key, order_of(key))?;
        let value = match &mut self.index {
            // order is kept by the sequence, so that the last entry may fill the gap
            Some(index) => {
                let last = self.entries.len() - 1;
                index.remove(&self.entries, at);
                if at != last {
                    index.remove(&self.entries, last);
                }
                let entry = self.entries.swap_remove(at);
                if at != last {
                    index.add(&self.entries, at);
                }
                self.sorted = false;
                entry.value
            }
            None => self.entries.remove(at).value,
        };
        Some(value)
    }

    /// Whether `key` is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key, order_of(key)).is_some()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries in Scala's iteration order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let sorted = if self.sorted {
            None
        } else {
            Some(self.order())
        };
        (0..self.entries.len()).map(move |at| {
            let at = sorted.as_ref().map_or(at, |order| order[at] as usize);
            let entry = &self.entries[at];
            (entry.key.as_str(), &entry.value)
        })
    }

    /// Keys in Scala's iteration order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Values in Scala's iteration order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Puts the entries into iteration order once, which makes later iterations cheaper.
    pub fn sort(&mut self) {
        if !self.sorted {
            self.entries
                .sort_unstable_by_key(|entry| (entry.order, entry.sequence));
            self.sorted = true;
            if self.index.is_some() {
                self.rebuild_index();
            }
        }
    }

    /// Positions of the entries in iteration order.
    fn order(&self) -> Vec<u32> {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_unstable_by_key(|at| {
            let entry = &self.entries[*at as usize];
            (entry.order, entry.sequence)
        });
        order
    }

    fn position(&self, key: &str, order: u32) -> Option<usize> {
        match &self.index {
            Some(index) => index.find(&self.entries, key),
            None => self
                .entries
                .iter()
                .position(|entry| entry.order == order && entry.key == key),
        }
    }

    fn rebuild_index(&mut self) {
        let mut index = Index::default();
        for at in 0..self.entries.len() {
            index.add(&self.entries, at);
        }
        self.index = Some(index);
    }
}

impl Index {
    fn find<V>(&self, entries: &[Entry<V>], key: &str) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |at| entries[*at].key == key).copied()
    }

    fn add<V>(&mut self, entries: &[Entry<V>], at: usize) {
        let hash_of = |at: &usize| self.hasher.hash_one(entries[*at].key.as_str());
        self.table.insert_unique(hash_of(&at), at, hash_of);
    }

    fn remove<V>(&mut self, entries: &[Entry<V>], at: usize) {
        let hash = self.hasher.hash_one(entries[at].key.as_str());
        if let Ok(found) = self.table.find_entry(hash, |other| *other == at) {
            found.remove();
        }
    }
}

/// The place of a key in a hash trie.
fn order_of(key: &str) -> u32 {
    improved_hash_order(java_string_hash(key))
}

impl<V: PartialEq> PartialEq for ScalaMap<V> {
    /// The same keys with the same values, in any order, as in Scala.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .entries
                .iter()
                .all(|entry| other.get(&entry.key) == Some(&entry.value))
    }
}

impl<V: Eq> Eq for ScalaMap<V> {}

impl<K: Into<String>, V> Extend<(K, V)> for ScalaMap<V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
        self.sort();
    }
}

impl<K: Into<String>, V> FromIterator<(K, V)> for ScalaMap<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let mut map = Self::new();
        map.entries.reserve(pairs.size_hint().0.min(1_024));
        map.extend(pairs);
        map
    }
}

impl<V> IntoIterator for ScalaMap<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    /// Entries in Scala's iteration order.
    fn into_iter(mut self) -> Self::IntoIter {
        self.sort();
        self.entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

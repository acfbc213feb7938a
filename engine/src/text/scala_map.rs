//! A string map that iterates like Scala 2.11's immutable `Map`.
//!
//! Up to four entries keep insertion order; the fifth distinct key turns the map into a hash trie,
//! which it stays, and which iterates by the improved hash of the keys. The order is visible in
//! JSON built from parameters, in the order of messages of a bad row, and in which of two
//! parameters for one column wins.

/// Map from strings to `V` in Scala's iteration order.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalaMap<V> {
    /// In insertion order of the keys.
    entries: Vec<(String, V)>,
    hashed: bool,
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
        }
    }

    /// Adds `key`, or replaces its value at its old position.
    pub fn insert(&mut self, key: impl Into<String>, value: V) {
        let key = key.into();
        match self.entries.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => {
                self.entries.push((key, value));
                self.hashed |= self.entries.len() > 4;
            }
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Removes `key`; a map that was hashed stays hashed.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let index = self.entries.iter().position(|(k, _)| k == key)?;
        Some(self.entries.remove(index).1)
    }

    /// Whether `key` is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
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
        self.entries.iter().map(|(k, v)| (k.as_str(), v))
    }
}

impl<K: Into<String>, V> FromIterator<(K, V)> for ScalaMap<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

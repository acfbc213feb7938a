//! Hashes of Java and Scala 2.11, and the orders in which hash maps iterate by them.

/// `String.hashCode`: over UTF-16 units.
pub fn java_string_hash(text: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if text.is_ascii() {
        text.bytes().map(u16::from).fold(0, step)
    } else {
        text.encode_utf16().fold(0, step)
    }
}

/// The place of a `hashCode` in the iteration of an immutable hash map: maps of five and more entries
/// iterate in ascending order of it, keys of equal hash in insertion order. Different hashes have
/// different places.
pub fn improved_hash_order(hash: i32) -> u32 {
    let mut h = hash as u32;
    h = h.wrapping_add(!(h << 9));
    h ^= h >> 14;
    h = h.wrapping_add(h << 4);
    h ^= h >> 10;
    // the trie branches by five bits a level, the low ones first
    let mut order = 0;
    for level in 0..6 {
        order = order << 5 | (h >> (5 * level) & 31);
    }
    order << 2 | h >> 30
}

/// `hashCode` of a case class: MurmurHash3's `productHash` of the hashes of its members
/// (for texts, [`java_string_hash`]). A class without members is not meant.
pub fn product_hash(elements: &[i32]) -> i32 {
    let mut h = 0xcafe_babe_u32;
    for element in elements {
        let mut k = *element as u32;
        k = k.wrapping_mul(0xcc9e_2d51).rotate_left(15);
        k = k.wrapping_mul(0x1b87_3593);
        h = (h ^ k)
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    h ^= elements.len() as u32;
    h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
    h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
    (h ^ h >> 16) as i32
}

/// The order in which a mutable `HashMap` iterates over distinct keys of the given hashes that were added in
/// this order: positions in `hashes`.
pub fn mutable_map_order(hashes: &[i32]) -> Vec<usize> {
    let mut table: Vec<Vec<usize>> = vec![Vec::new(); 16];
    // the rotation belongs to the first size of the table and stays
    const ROTATION: u32 = 4;
    let bucket = |hash: i32, size: usize| {
        let mut h = (hash as u32).wrapping_mul(0x9e37_75cd).swap_bytes();
        h = h.wrapping_mul(0x9e37_75cd).rotate_right(ROTATION);
        (h >> (32 - size.trailing_zeros())) as usize
    };
    for (at, hash) in hashes.iter().enumerate() {
        let size = table.len();
        table[bucket(*hash, size)].push(at);
        if at + 1 > size / 4 * 3 {
            // buckets are moved from the last to the first, chains from the newest on
            let mut larger = vec![Vec::new(); size * 2];
            for moved in table.iter().rev().flat_map(|chain| chain.iter().rev()) {
                larger[bucket(hashes[*moved], size * 2)].push(*moved);
            }
            table = larger;
        }
    }
    table
        .iter()
        .rev()
        .flat_map(|chain| chain.iter().rev().copied())
        .collect()
}

/// The order of the groups of `groupBy`, whose keys were first met in this order: that of a mutable map for up
/// to four, that of a hash trie for more. Positions in `keys`, which are distinct.
pub fn mutable_group_order(keys: &[&str]) -> Vec<usize> {
    let hashes: Vec<i32> = keys.iter().map(|key| java_string_hash(key)).collect();
    let mut order = mutable_map_order(&hashes);
    if order.len() > 4 {
        // stable: keys of one hash stay in the order in which they were copied
        order.sort_by_key(|at| improved_hash_order(hashes[*at]));
    }
    order
}

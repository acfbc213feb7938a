//! Orders that Scala 2.11.8 gave.

use super::*;

fn keys_of(keys: &[&str]) -> Vec<String> {
    let map: ScalaMap<()> = keys.iter().map(|key| (*key, ())).collect();
    map.keys().map(str::to_owned).collect()
}

#[test]
fn small_maps_keep_the_order_of_insertion() {
    let mut map = ScalaMap::new();
    for key in ["d", "c", "b", "a"] {
        map.insert(key, 1);
    }
    map.insert("c", 2);
    let entries: Vec<_> = map.iter().collect();
    assert_eq!(entries, [("d", &1), ("c", &2), ("b", &1), ("a", &1)]);
    assert_eq!(map.remove("c"), Some(2));
    assert_eq!(map.keys().collect::<Vec<_>>(), ["d", "b", "a"]);
    assert_eq!(map.remove("c"), None);
    assert!(!map.contains_key("c") && map.contains_key("d"));
}

#[test]
fn large_maps_iterate_by_hash() {
    assert_eq!(
        keys_of(&[
            "schema",
            "user",
            "name",
            "source",
            "tracking_id",
            "ad_unit",
            "aid"
        ]),
        [
            "name",
            "source",
            "aid",
            "ad_unit",
            "schema",
            "tracking_id",
            "user"
        ]
    );
    for (first, second) in [
        ("ev_ca", "se_ca"),
        ("ev_ac", "se_ac"),
        ("se_la", "ev_la"),
        ("se_pr", "ev_pr"),
        ("se_va", "ev_va"),
        ("co", "cx"),
        ("ue_pr", "ue_px"),
        ("ti_na", "ti_nm"),
    ] {
        let keys = keys_of(&[second, first, "e", "p", "tv"]);
        let at = |key: &str| keys.iter().position(|k| k == key);
        assert!(at(first) < at(second), "{first} {second}");
    }
}

#[test]
fn a_hashed_map_stays_hashed() {
    let mut map: ScalaMap<u8> = ["schema", "user", "name", "source", "aid"]
        .into_iter()
        .map(|key| (key, 0))
        .collect();
    for key in ["name", "source"] {
        map.remove(key);
    }
    assert_eq!(map.keys().collect::<Vec<_>>(), ["aid", "schema", "user"]);
    for key in ["aid", "schema", "user"] {
        map.remove(key);
    }
    assert!(map.is_empty());
    map.insert("user", 1);
    map.insert("aid", 2);
    assert_eq!(map.keys().collect::<Vec<_>>(), ["aid", "user"]);
}

#[test]
fn keys_of_one_hash_iterate_as_inserted_and_move_when_replaced() {
    assert_eq!(java_string_hash("AaAa"), java_string_hash("BBBB"));
    let mut map: ScalaMap<u8> = ["x", "AaBB", "BBBB", "y", "AaAa", "z"]
        .into_iter()
        .map(|key| (key, 0))
        .collect();
    let same = |map: &ScalaMap<u8>| -> Vec<String> {
        map.keys()
            .filter(|k| k.len() == 4)
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(same(&map), ["AaBB", "BBBB", "AaAa"]);
    map.insert("AaBB", 1);
    assert_eq!(same(&map), ["BBBB", "AaAa", "AaBB"]);
    map.sort();
    assert_eq!(same(&map), ["BBBB", "AaAa", "AaBB"]);
}

#[test]
fn hashes() {
    assert_eq!(java_string_hash(""), 0);
    assert_eq!(java_string_hash("hello"), 99_162_322);
    assert_eq!(java_string_hash("é😀"), 1_996_812);
    let hashes = ["a", "b", "c", "d"].map(java_string_hash);
    assert_eq!(product_hash(&hashes), 1_942_075_390);
}

#[test]
fn orders_of_groups() {
    assert_eq!(mutable_group_order(&["promoid", "IFpromo"]), [1, 0]);
    assert_eq!(mutable_group_order(&["cd", "IFcd"]), [0, 1]);
    assert_eq!(mutable_group_order(&["IFcd", "cd"]), [1, 0]);
    assert_eq!(mutable_group_order(&["a", "b", "c"]), [1, 0, 2]);
    assert_eq!(mutable_group_order(&["AaAa", "BBBB"]), [1, 0]);
    let keys = [
        "schema",
        "user",
        "name",
        "source",
        "tracking_id",
        "ad_unit",
        "aid",
    ];
    assert_eq!(mutable_group_order(&keys), [2, 3, 6, 5, 0, 4, 1]);
    assert!(mutable_group_order(&[]).is_empty());
}

#[test]
fn equality_is_without_order() {
    let one: ScalaMap<u8> = [("a", 1), ("b", 2)].into_iter().collect();
    let two: ScalaMap<u8> = [("b", 2), ("a", 1)].into_iter().collect();
    let three: ScalaMap<u8> = [("b", 2), ("c", 1)].into_iter().collect();
    assert_eq!(one, two);
    assert_ne!(one, three);
}

#[test]
fn large_maps_find_replace_and_remove() {
    let mut map = ScalaMap::new();
    for at in 0..1_000 {
        map.insert(format!("key{at}"), at);
    }
    for at in (0..1_000).step_by(3) {
        assert_eq!(map.remove(&format!("key{at}")), Some(at));
    }
    map.insert("key1", -1);
    assert_eq!(map.len(), 666);
    for at in 0..1_000 {
        let value = map.get(&format!("key{at}")).copied();
        let expected = if at == 1 { -1 } else { at };
        assert_eq!(value, (at % 3 != 0).then_some(expected));
    }
    let orders: Vec<u32> = map.keys().map(order_of).collect();
    assert!(orders.is_sorted());
    let owned: Vec<String> = map.clone().into_iter().map(|(key, _)| key).collect();
    assert_eq!(owned, map.keys().collect::<Vec<_>>());
    *map.get_mut("key2").unwrap() = 7;
    assert_eq!(map.get("key2"), Some(&7));
}

#[test]
fn hostile_keys_of_one_hash_take_no_quadratic_time() {
    // 2^16 keys with the same String.hashCode
    let mut map = ScalaMap::new();
    for bits in 0..1u32 << 16 {
        let key: String = (0..16)
            .map(|bit| if bits >> bit & 1 == 0 { "Aa" } else { "BB" })
            .collect();
        map.insert(key, bits);
    }
    assert_eq!(map.len(), 1 << 16);
    assert!(map.values().copied().eq(0..1 << 16));
}

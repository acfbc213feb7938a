//! Many small objects: time and requests. Slow, hence only on demand:
//! `cargo test -p camonica-runner --test runner_s3 -- --ignored --nocapture ten_thousand`

use std::collections::BTreeMap;
use std::time::Instant;

use runner::step::staging::{self, Limits};

use super::World;

#[test]
#[ignore = "takes minutes, most of them in the test server"]
fn ten_thousand_small_objects() {
    let Some(world) = World::new("ten-thousand") else {
        return;
    };
    let keys: Vec<String> = (0..10_000)
        .map(|n| format!("in/2018-07-24/{n:05}.gz"))
        .collect();
    let begun = Instant::now();
    world.write_many(&keys);
    println!("written in {:.1} s", begun.elapsed().as_secs_f64());
    let objects = world.objects();
    let begun = Instant::now();
    let moved = staging::run(
        &objects,
        &[world.at("in/")],
        &world.at("processing/"),
        "cloudfront",
        Limits::default(),
    )
    .unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let mut operations: BTreeMap<&str, u64> = BTreeMap::new();
    for request in world.proxy.take() {
        *operations.entry(request.operation()).or_default() += 1;
    }
    println!(
        "staged {} objects in {seconds:.1} s with {} requests: {operations:?}; verified: {:?}",
        moved.objects,
        operations.values().sum::<u64>(),
        objects.verified_by()
    );
    assert_eq!(moved.objects, 10_000);
    assert_eq!(operations["CopyObject"], 10_000);
    assert_eq!(operations["DeleteObjects"], 10);
    assert!(operations.values().sum::<u64>() < 10_100);
    assert!(world.keys("in/").is_empty());
    assert_eq!(world.keys("processing/").len(), 10_000);
}

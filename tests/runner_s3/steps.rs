//! Staging and archiving on S3.

use runner::distcp::{self, Options, OutputCodec};
use runner::step::staging::{self, Limits};
use runner::step::{archive, staging_stream};

use super::World;

#[test]
fn batches_are_staged_and_archived() {
    let Some(world) = World::new("batches") else {
        return;
    };
    for key in [
        "one/i-1/_localhost_access_log.txt1.gz",
        "one/i-2/_localhost_access_log.txt1.gz",
        "one/i-2/catalina.out",
        "two/i-1/_localhost_access_log.txt1.gz",
        "two/i-1/_localhost_access_log.txt2.gz",
    ] {
        world.write(key, key.as_bytes());
    }
    let objects = world.objects();
    let inputs = [world.at("one/"), world.at("two/")];
    assert!(staging::any(&objects, &inputs[0], "clj-tomcat").unwrap());
    let (moved, names) = staging::stage(
        &objects,
        &inputs,
        &world.at("processing/"),
        "clj-tomcat",
        Limits::default(),
    )
    .unwrap();
    assert_eq!(moved.objects, 4);
    assert_eq!(
        names,
        [
            "2-i-1-localhost_access_log.txt1.gz",
            "i-1-localhost_access_log.txt1.gz",
            "i-2-localhost_access_log.txt1.gz",
            "localhost_access_log.txt2.gz"
        ]
    );
    assert_eq!(
        world.contents("processing/")["2-i-1-localhost_access_log.txt1.gz"],
        b"two/i-1/_localhost_access_log.txt1.gz"
    );
    assert_eq!(world.keys("one/"), ["one/i-2/catalina.out"]);
    let moved = archive::folder(
        &objects,
        &world.at("processing/"),
        &world.at("archive/run=2018-07-24-10-00-00/"),
    )
    .unwrap();
    assert_eq!(moved.objects, 4);
    assert!(world.keys("processing/").is_empty());
    assert_eq!(world.keys("archive/").len(), 4);
    // nothing to do is a success
    assert_eq!(
        archive::folder(&objects, &world.at("processing/"), &world.at("archive/x/"))
            .unwrap()
            .objects,
        0
    );
}

#[test]
fn limits_take_the_oldest_first() {
    let Some(world) = World::new("limits") else {
        return;
    };
    for key in ["in/c.lzo", "in/c.lzo.index"] {
        world.write(key, b"123456789");
    }
    // S3 tells seconds
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.write("in/a.lzo", b"123456789");
    world.write("in/b.lzo", b"123456789");
    let objects = world.objects();
    let stage = |max_files, max_bytes| {
        let limits = Limits {
            max_files,
            max_bytes,
        };
        let (input, to) = ([world.at("in")], world.at("processing"));
        staging::stage(&objects, &input, &to, "thrift", limits)
            .unwrap()
            .1
    };
    assert_eq!(stage(None, Some(20)), ["c.lzo", "c.lzo.index"]);
    // what is there counts: the same call again takes nothing
    assert_eq!(stage(None, Some(20)), [""; 0]);
    assert_eq!(stage(Some(2), None), ["a.lzo"]);
    assert_eq!(stage(Some(9), None), ["b.lzo"]);
}

#[test]
fn keys_that_readers_cannot_name_get_names() {
    let Some(world) = World::new("unreadable") else {
        return;
    };
    for key in ["in//a.gz", "in/x/../b.gz", "in/c\u{1}.gz"] {
        world.write(key, key.as_bytes());
    }
    let objects = world.objects();
    let (input, to) = ([world.at("in")], world.at("processing"));
    let (moved, names) =
        staging::stage(&objects, &input, &to, "cloudfront", Limits::default()).unwrap();
    assert_eq!(moved.objects, 3);
    assert_eq!(names, ["a.gz", "c%01.gz", "x/%2E%2E/b.gz"]);
    assert!(world.keys("in/").is_empty());
    // the engine's store can list them
    let store = engine::store::Store::new(objects.aws().unwrap().store_settings());
    assert_eq!(store.list(&to, true).unwrap().len(), 3);
}

#[test]
fn streams_are_staged_and_recovered() {
    let Some(world) = World::new("streams") else {
        return;
    };
    for key in [
        "stream/2018-1.gz",
        "stream/2018-2.gz",
        "stream/raw.lzo",
        "stream/raw.lzo.index",
    ] {
        world.write(key, key.as_bytes());
    }
    let objects = world.objects();
    assert!(staging_stream::any(&objects, &world.at("stream/")).unwrap());
    let none = Limits::default();
    let young = staging_stream::run(
        &objects,
        &world.at("stream/"),
        &world.at("good/run=1/"),
        Some(600_000),
        none,
    )
    .unwrap();
    assert_eq!(young.objects, 0);
    let moved = staging_stream::run(
        &objects,
        &world.at("stream/"),
        &world.at("good/run=1/"),
        None,
        none,
    )
    .unwrap();
    assert_eq!(moved.objects, 2);
    assert_eq!(
        world.keys("good/"),
        ["good/run=1/2018-1.gz", "good/run=1/2018-2.gz"]
    );
    assert!(!staging_stream::any(&objects, &world.at("stream/")).unwrap());
    assert_eq!(world.keys("stream/").len(), 2);

    world.write("good/run=0/part-0", b"0");
    world.write("good/run=0/_SUCCESS", b"");
    world.write("good/run=1_$folder$", b"");
    world.proxy.take();
    let recovered = archive::recover(&objects, &world.at("good/"), &world.at("archive/")).unwrap();
    let told: Vec<(&str, u64)> = recovered
        .iter()
        .map(|(id, moved)| (id.as_str(), moved.objects))
        .collect();
    assert_eq!(told, [("0", 2), ("1", 2)]);
    assert_eq!(world.keys("archive/").len(), 4);
    // the marker is copied when all else is there
    let copies: Vec<String> = world
        .proxy
        .take()
        .into_iter()
        .filter(|request| request.operation() == "CopyObject")
        .map(|request| request.target)
        .collect();
    let marker = copies
        .iter()
        .position(|copy| copy.contains("_SUCCESS"))
        .unwrap();
    let part = copies
        .iter()
        .position(|copy| copy.contains("part-0"))
        .unwrap();
    assert!(marker > part);
    let error = archive::recover(&objects, &world.at("good/"), &world.at("archive/")).unwrap_err();
    assert_eq!(error, "No run folders in [s3://streams/good/] found");
}

#[test]
fn s3distcp_joins_and_recodes() {
    let Some(world) = World::new("distcp") else {
        return;
    };
    let line = b"2018-07-24\tevent of a day\n";
    for hour in 0..3 {
        world.write(
            &format!("raw/E.2018-07-24-1{hour}.log"),
            &line.repeat(100_000),
        );
    }
    let objects = world.objects();
    let options = Options {
        output_codec: Some(OutputCodec::None),
        delete_on_success: true,
        ..Options::raw_to_enrich("cloudfront")
    };
    let copied = distcp::run(&objects, &world.at("raw"), &world.at("out"), &options).unwrap();
    assert_eq!(copied.outputs, ["8-07-240"]);
    assert_eq!(copied.sources.objects, 3);
    // larger than one part
    assert_eq!(world.read("out/8-07-240").unwrap(), line.repeat(300_000));
    assert!(world.keys("raw/").is_empty());
    let options = Options {
        output_codec: Some(OutputCodec::Lzo),
        ..Options::default()
    };
    let copied = distcp::run(&objects, &world.at("out"), &world.at("lzo"), &options).unwrap();
    assert_eq!(copied.outputs, ["8-07-240.lzo"]);
    let options = Options {
        output_codec: Some(OutputCodec::Gzip),
        ..Options::default()
    };
    distcp::run(&objects, &world.at("lzo"), &world.at("gz"), &options).unwrap();
    let options = Options {
        output_codec: Some(OutputCodec::None),
        ..Options::default()
    };
    distcp::run(&objects, &world.at("gz"), &world.at("plain"), &options).unwrap();
    assert_eq!(world.read("plain/8-07-240").unwrap(), line.repeat(300_000));
    assert!(world.read("out/8-07-240").is_some());
    assert_eq!(world.open_uploads(), 0);
}

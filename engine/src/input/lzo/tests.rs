//! Lzop containers and raw LZO blocks: whole, damaged and hostile.

use super::super::Codec;
use super::super::testing::{LzopOptions, Read1, decode, decode_all, lzop, lzop_with, noise};
use super::*;

#[test]
fn adler32_is_that_of_rfc_1950() {
    assert_eq!(adler32(b""), 1);
    assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    let zlib = super::super::testing::zlib(&[0xFF; 1_000_000]);
    let want = u32::from_be_bytes(zlib[zlib.len() - 4..].try_into().unwrap());
    assert_eq!(adler32(&[0xFF; 1_000_000]), want);
}

#[test]
fn every_combination_of_flags_is_read() {
    let mut plain = noise(3_000, 1);
    plain.extend(b"compressible ".repeat(400));
    for bits in 0..64_u32 {
        let on = |bit: u32, flag: u32| if bits & (1 << bit) == 0 { 0 } else { flag };
        let flags = on(0, ADLER_PLAIN)
            | on(1, ADLER_PACKED)
            | on(2, CRC_PLAIN)
            | on(3, CRC_PACKED)
            | on(4, HEADER_CRC)
            | on(5, EXTRA_FIELD)
            | 0x0300_0000;
        for version in [0x0900, 0x0940, 0x1010, 0x1040] {
            let options = LzopOptions {
                flags,
                version,
                block: 1000,
                ..LzopOptions::default()
            };
            let stored = lzop_with(&plain, &options);
            let got = decode(Codec::Lzop, &stored);
            assert_eq!(got.unwrap(), plain, "flags {flags:#x} version {version:#x}");
        }
    }
}

#[test]
fn containers_follow_each_other_and_may_be_padded() {
    let mut stored = lzop(b"one\n");
    stored.extend(lzop(b""));
    stored.extend(lzop(b"two\n"));
    assert_eq!(decode(Codec::Lzop, &stored).unwrap(), b"one\ntwo\n");
    assert_eq!(
        decode_all(Codec::Lzop, Read1::new(&stored)).unwrap(),
        b"one\ntwo\n"
    );
    stored.extend([0; 77]);
    assert_eq!(decode(Codec::Lzop, &stored).unwrap(), b"one\ntwo\n");
    stored.push(1);
    assert!(decode(Codec::Lzop, &stored).is_err());
}

#[test]
fn every_cut_is_found() {
    let stored = lzop_with(
        &b"cut me if you can, cut me if you can. ".repeat(8),
        &LzopOptions {
            block: 100,
            flags: ADLER_PLAIN | CRC_PACKED,
            ..LzopOptions::default()
        },
    );
    for cut in 0..stored.len() {
        let damage = decode(Codec::Lzop, &stored[..cut]).unwrap_err();
        assert_eq!(damage.offset, cut as u64, "{damage}");
        assert!(damage.what.contains("cut"), "{damage}");
    }
}

#[test]
fn every_flipped_bit_is_found_where_checksums_are() {
    let options = LzopOptions {
        flags: ADLER_PLAIN | ADLER_PACKED | CRC_PLAIN | CRC_PACKED,
        ..LzopOptions::default()
    };
    let stored = lzop_with(&b"flip flop ".repeat(20), &options);
    for at in 0..stored.len() {
        for bit in 0..8 {
            let mut bad = stored.clone();
            bad[at] ^= 1 << bit;
            assert!(decode(Codec::Lzop, &bad).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn without_checksums_flips_never_panic() {
    let options = LzopOptions {
        flags: 0,
        ..LzopOptions::default()
    };
    let stored = lzop_with(&b"abcabcabcabd ".repeat(30), &options);
    for at in 0..stored.len() {
        for value in [0, 1, 0x1F, 0x40, 0x7F, 0x80, 0xFF] {
            let mut bad = stored.clone();
            bad[at] = value;
            let _ = decode(Codec::Lzop, &bad);
        }
    }
}

#[test]
fn headers_that_cannot_be_read_say_why() {
    let header = |change: fn(&mut LzopOptions)| {
        let mut options = LzopOptions::default();
        change(&mut options);
        decode(Codec::Lzop, &lzop_with(b"x", &options))
            .unwrap_err()
            .what
    };
    assert_eq!(header(|o| o.method = 0), "unknown lzop method 0");
    assert_eq!(header(|o| o.method = 0x80), "unknown lzop method 128");
    assert_eq!(
        header(|o| o.version = 0x0800),
        "unknown lzop version 0x0800"
    );
    assert!(header(|o| o.needed = 0x1050).contains("needs lzop version 0x1050"));
    assert!(header(|o| o.flags = MULTIPART).contains("split"));
    assert!(header(|o| o.filter = Some(3)).contains("filters"));
    let options = LzopOptions {
        filter: Some(0),
        ..LzopOptions::default()
    };
    assert_eq!(
        decode(Codec::Lzop, &lzop_with(b"x", &options)).unwrap(),
        b"x"
    );
    let damage = decode(Codec::Lzop, b"plain text, no lzop at all").unwrap_err();
    assert_eq!(damage.what, "not a lzop container (magic number)");
}

#[test]
fn hostile_lengths_are_refused_before_memory_is_taken() {
    let head = lzop(b"");
    let head = &head[..head.len() - 4];
    for (plain, packed, what) in [
        (0x0400_0001_u32, 5_u32, "impossible lengths"),
        (10, 11, "impossible lengths"),
        (10, 0, "impossible lengths"),
        (0xFFFF_FFFF, 5, "impossible lengths"),
        (0x0400_0000, 5, "cannot hold so many"),
    ] {
        let mut stored = head.to_vec();
        stored.extend(plain.to_be_bytes());
        stored.extend(packed.to_be_bytes());
        stored.extend([0; 40]);
        let damage = decode(Codec::Lzop, &stored).unwrap_err();
        assert!(damage.what.contains(what), "{damage}");
    }
}

#[test]
fn the_lzop_tool_is_understood_and_understands() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let (text, packed) = (folder.path().join("t"), folder.path().join("t.lzo"));
    let plain = [noise(300_000, 2), b"a line of text\n".repeat(40_000)].concat();
    std::fs::write(&text, &plain).unwrap();
    for level in ["-1", "-3", "-9"] {
        for checksum in [["--crc32", "-C"], ["--no-checksum", "-F"], ["-C", "-C"]] {
            let status = Command::new("lzop")
                .arg(level)
                .args(checksum)
                .arg("-f")
                .arg(&text)
                .arg("-o")
                .arg(&packed)
                .status();
            match status {
                Ok(status) => assert!(status.success()),
                Err(_) => return println!("SKIPPED: no lzop tool on this machine"),
            }
            let stored = std::fs::read(&packed).unwrap();
            assert_eq!(decode(Codec::Lzop, &stored).unwrap(), plain, "{level}");
        }
    }
    // and the container that the other tests write is one to lzop too
    let flags = ADLER_PLAIN | CRC_PLAIN | CRC_PACKED | HEADER_CRC;
    let ours = lzop_with(
        &plain,
        &LzopOptions {
            flags,
            ..LzopOptions::default()
        },
    );
    std::fs::write(&packed, ours).unwrap();
    let output = Command::new("lzop")
        .arg("-dc")
        .arg(&packed)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, plain);
}

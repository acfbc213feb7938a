//! A stored object with lzop containers becomes chunks of records; the size of the chunks never shows.
//!
//! Byte 1: what is made of the rest (bits 0 and 1), framing (2), whether damaged blocks are skipped (3), flags of a header
//! (4 to 7). Byte 2: size of blocks and chunks.
#![no_main]

use checks::{lzop_header, lzop_stored, read};
use engine::input::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, size], rest)) = data.split_first_chunk() else {
        return;
    };
    let size = usize::from(size) + 1;
    let stored = match mode & 3 {
        0 => rest.to_vec(),
        1 => {
            let [plain, packed] = [mode >> 4 & 3, mode >> 6 & 3].map(u32::from);
            [lzop_header(packed << 8 | plain), rest.to_vec()].concat()
        }
        _ => lzop_stored(rest, size).0,
    };
    let framing = if mode & 4 == 0 {
        Framing::Thrift
    } else {
        Framing::Lines
    };
    let skip = mode & 8 != 0;
    let whole = read("a.lzo", &stored, framing, 1 << 20, skip);
    let cut = read("a.lzo", &stored, framing, size, skip);
    assert_eq!(whole, cut);
});

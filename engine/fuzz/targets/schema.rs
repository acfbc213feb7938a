//! A schema, a zero byte and an instance: whatever compiles decides the same fast as with messages.
#![no_main]

use checks::is_json;
use engine::iglu::Message;
use engine::iglu::schema::Schema;
use engine::input::decode_utf8;
use engine::json::parse;
use libfuzzer_sys::fuzz_target;

fn print(messages: &[Message]) {
    for message in messages {
        let printed = message.to_json().to_compact();
        assert!(is_json(&printed), "{printed}");
        let _ = message.to_multiline();
    }
}

fuzz_target!(|data: &[u8]| {
    let (schema, instance) = match data.iter().position(|&byte| byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, data),
    };
    let (schema, instance) = (decode_utf8(schema), decode_utf8(instance));
    let Ok(Some(schema)) = parse(&schema) else {
        return;
    };
    let schema = match Schema::compile(&schema) {
        Ok(schema) => schema,
        Err(messages) => {
            assert!(!messages.is_empty());
            return print(&messages);
        }
    };
    if let Ok(Some(instance)) = parse(&instance) {
        let messages = schema.validate(&instance);
        assert_eq!(schema.is_valid(&instance), messages.is_empty());
        print(&messages);
    }
});

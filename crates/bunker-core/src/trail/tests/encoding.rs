//! The encodings are injective: a reader that knows nothing but `docs/FORMAT.md` gets every field
//! back out of them.

use proptest::prelude::*;

use crate::crypto::tests::vectors::Vectors;
use crate::trail::{Content, Event, Seal};

/// The fields of an event, in the order of the encoding.
type Fields = (i64, i64, Option<[u8; 16]>, Option<i32>, [String; 3], [Option<String>; 4]);

fn event(fields: &Fields) -> Event<'_> {
    let (id, at, token, version, [action, status, actor], [kind, app, reason, message]) = fields;
    Event {
        id: *id,
        at: *at,
        token: *token,
        version: *version,
        action,
        status,
        actor,
        kind: kind.as_deref(),
        app: app.as_deref(),
        reason: reason.as_deref(),
        message: message.as_deref(),
    }
}

fn encode_event(event: &Event<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    event.encode(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

fn encode_seal(seal: &Seal<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    seal.encode(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

/// Reads an encoding from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *array
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.array())
    }

    fn text(&mut self) -> String {
        let len = u64::from_be_bytes(self.array());
        let (text, rest) = self.0.split_at(usize::try_from(len).unwrap());
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.array() {
            [0] => None,
            [1] => Some(read(self)),
            [other] => panic!("presence byte {other}"),
        }
    }

    fn fields(&mut self) -> Fields {
        (
            self.i64(),
            self.i64(),
            self.optional(Self::array),
            self.optional(Self::i32),
            std::array::from_fn(|_| self.text()),
            std::array::from_fn(|_| self.optional(Self::text)),
        )
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    // Texts that look like lengths and presence bytes are the ones that could be confused.
    let text = || prop_oneof!["[\0\u{1}\u{2}a]{0,12}", any::<String>()];
    (
        any::<i64>(),
        any::<i64>(),
        any::<Option<[u8; 16]>>(),
        any::<Option<i32>>(),
        [text(), text(), text()],
        std::array::from_fn::<_, 4, _>(|_| prop::option::of(text())),
    )
}

proptest! {
    #[test]
    fn every_field_of_an_event_is_read_back(fields in fields()) {
        let bytes = encode_event(&event(&fields));
        let mut reader = Reader(&bytes);
        prop_assert_eq!(reader.fields(), fields);
        prop_assert!(reader.0.is_empty());
    }

    #[test]
    fn every_field_of_a_seal_of_events_is_read_back(
        (number, sealed_at, count, floor) in any::<(i64, i64, i64, i64)>(),
        month in any::<i32>(),
        (previous, digest) in any::<([u8; 32], [u8; 32])>(),
    ) {
        let content = Content::Events { month, count, digest: &digest, floor };
        let bytes = encode_seal(&Seal { number, sealed_at, previous: &previous, content });
        let mut reader = Reader(&bytes);
        prop_assert_eq!((reader.i64(), reader.i64()), (number, sealed_at));
        prop_assert_eq!(reader.array(), previous);
        prop_assert_eq!(reader.array(), [0]);
        prop_assert_eq!((reader.i32(), reader.i64()), (month, count));
        prop_assert_eq!(reader.array(), digest);
        prop_assert_eq!(reader.i64(), floor);
        prop_assert!(reader.0.is_empty());
    }

    #[test]
    fn every_field_of_a_retention_seal_is_read_back(
        (number, sealed_at, first_kept, dropped_events) in any::<(i64, i64, i64, i64)>(),
        kept_month in any::<i32>(),
        previous in any::<[u8; 32]>(),
    ) {
        let content = Content::Retention { kept_month, first_kept, dropped_events };
        let bytes = encode_seal(&Seal { number, sealed_at, previous: &previous, content });
        let mut reader = Reader(&bytes);
        prop_assert_eq!((reader.i64(), reader.i64()), (number, sealed_at));
        prop_assert_eq!(reader.array(), previous);
        prop_assert_eq!(reader.array(), [1]);
        prop_assert_eq!(reader.i32(), kept_month);
        prop_assert_eq!((reader.i64(), reader.i64()), (first_kept, dropped_events));
        prop_assert!(reader.0.is_empty());
    }
}

#[test]
fn encodings_of_the_vectors() {
    let vectors = Vectors::read();
    let full = Reader(vectors.bytes("trail.full.encoding")).fields();
    assert_eq!(full.4[0], vectors.text("trail.full.action"));
    assert_eq!(full.5[3].as_deref(), Some(""));
    assert_eq!(encode_event(&event(&full)), vectors.bytes("trail.full.encoding"));
    let sparse = Reader(vectors.bytes("trail.sparse.encoding")).fields();
    assert_eq!(sparse.5, [const { None }; 4]);
    assert_eq!(encode_event(&event(&sparse)), vectors.bytes("trail.sparse.encoding"));
}

//! The audit trail's formats as `docs/FORMAT.md` gives them: the code computes its vectors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod crypto_common;

use bunker_core::secret::SecretKey;
use bunker_core::trail::{
    Anchor, Chain, Content, Digest, Entry, Event, Seal, TrailKey, digest, ids, same,
};
use crypto_common::Vectors;

fn key(vectors: &Vectors) -> TrailKey {
    TrailKey::new(
        vectors.number("trail.key_id"),
        &SecretKey::from_bytes(vectors.array("trail.key")),
    )
}

fn int8(vectors: &Vectors, name: &str) -> i64 {
    i64::from_be_bytes(vectors.array(name))
}

fn int4(vectors: &Vectors, name: &str) -> i32 {
    i32::from_be_bytes(vectors.array(name))
}

fn full(vectors: &Vectors) -> Event<'_> {
    Event {
        id: int8(vectors, "trail.full.id"),
        at: int8(vectors, "trail.full.at"),
        token: Some(vectors.array("trail.full.token")),
        version: Some(int4(vectors, "trail.full.version")),
        action: vectors.text("trail.full.action"),
        status: vectors.text("trail.full.status"),
        actor: vectors.text("trail.full.actor"),
        kind: Some(vectors.text("trail.full.kind")),
        app: Some(vectors.text("trail.full.app")),
        reason: Some(vectors.text("trail.full.reason")),
        message: Some(vectors.text("trail.full.message")),
    }
}

fn sparse(vectors: &Vectors) -> Event<'_> {
    Event {
        id: int8(vectors, "trail.sparse.id"),
        at: int8(vectors, "trail.sparse.at"),
        token: None,
        version: None,
        action: vectors.text("trail.sparse.action"),
        status: vectors.text("trail.sparse.status"),
        actor: vectors.text("trail.sparse.actor"),
        kind: None,
        app: None,
        reason: None,
        message: None,
    }
}

#[test]
fn event_macs_agree() {
    let vectors = Vectors::read();
    let key = key(&vectors);
    assert_eq!(key.id(), 1);
    assert_eq!(key.event_mac(&full(&vectors)), *vectors.bytes("trail.full.mac"));
    assert_eq!(key.event_mac(&sparse(&vectors)), *vectors.bytes("trail.sparse.mac"));
}

#[test]
fn digest_and_ids_agree() {
    let vectors = Vectors::read();
    let entries = ["full", "sparse"].map(|name| Entry {
        id: int8(&vectors, &format!("trail.{name}.id")),
        mac: vectors.array(&format!("trail.{name}.mac")),
    });
    let expected = vectors.bytes("trail.entries.digest");
    assert_eq!(digest(&entries), expected);
    assert_eq!(Digest::new().add(&entries[0]).add(&entries[1]).finish(), expected);

    let packed = vectors.bytes("trail.ids");
    assert_eq!(ids::encode(&entries.map(|entry| entry.id)), packed);
    assert_eq!(ids::decode(packed, 2).unwrap(), entries.map(|entry| entry.id));
}

#[test]
fn the_chain_agrees() {
    let vectors = Vectors::read();
    let number = |name: &str| int8(&vectors, &format!("trail.{name}"));
    let (genesis, previous) =
        (vectors.array("trail.events.previous"), vectors.array("trail.retention.previous"));
    let digest = vectors.array("trail.events.digest");
    let events = Seal {
        number: number("events.number"),
        sealed_at: number("events.sealed_at"),
        previous: &genesis,
        content: Content::Events {
            month: int4(&vectors, "trail.events.month"),
            count: number("events.count"),
            digest: &digest,
            floor: number("events.floor"),
        },
    };
    let retention = Seal {
        number: number("retention.number"),
        sealed_at: number("retention.sealed_at"),
        previous: &previous,
        content: Content::Retention {
            kept_month: int4(&vectors, "trail.retention.kept_month"),
            first_kept: number("retention.first_kept"),
            dropped_events: number("retention.dropped_events"),
        },
    };
    let key = key(&vectors);
    let mut chain = Chain::from_start();
    assert_eq!(chain.head().to_string(), vectors.text("trail.anchor.empty"));
    for (seal, mac) in [(events, "trail.events.mac"), (retention, "trail.retention.mac")] {
        assert!(same(&key.seal_mac(&seal), vectors.bytes(mac)));
        chain.check(&key, &seal, vectors.bytes(mac)).unwrap();
    }
    let anchor = vectors.text("trail.anchor");
    assert_eq!(chain.finish().unwrap().to_string(), anchor);
    assert_eq!(anchor.parse::<Anchor>().unwrap(), chain.head());
}

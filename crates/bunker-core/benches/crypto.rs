//! How long the vault's cryptography takes, in nanoseconds per operation.
//!
//! `cargo bench -p bunker-core --bench crypto` prints the best of several rounds, which is the
//! figure least disturbed by whatever else the machine does.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use bunker_core::crypto::random::{self, SEAL_BYTES};
use bunker_core::crypto::{
    Binding, EntryId, IndexKey, MasterKey, Purpose, RandomPool, WrappingKey,
};
use bunker_core::secret::SecretKey;
use bunker_core::trail::{Event, TrailKey};

const ROUNDS: usize = 15;
const OPERATIONS: u32 = 5_000;
const BATCH: usize = 100;

const BINDING: Binding<'static> =
    Binding { domain: "record.profile", owner: &[7; 16], version: 1, extra: b"" };

fn main() -> Result<(), Box<dyn Error>> {
    random_bytes();
    records()?;
    digests()?;
    events()?;
    keyring()
}

fn random_bytes() {
    let mut bytes = [0; SEAL_BYTES];
    time("random bytes of one record, one call", || random::fill(black_box(&mut bytes)));
    for capacity in [SEAL_BYTES, 256, 1024, 4096] {
        let mut pool = RandomPool::with_capacity(capacity);
        time(&format!("the same from a pool of {capacity}"), || pool.fill(black_box(&mut bytes)));
    }
    time("the same from a pool made for it", || RandomPool::for_seals(1).fill(&mut bytes));
}

fn records() -> Result<(), Box<dyn Error>> {
    let old = WrappingKey::new(1, &SecretKey::random()?);
    let new = WrappingKey::new(2, &SecretKey::random()?);
    for len in [0, 300, 4096, 65536] {
        let plaintext = vec![b'x'; len];
        let mut pool = RandomPool::for_seals(BATCH);
        let sealed = old.seal(&BINDING, &plaintext, &mut pool)?;
        time(&format!("seal {len} bytes, batch"), || old.seal(&BINDING, &plaintext, &mut pool));
        time(&format!("seal {len} bytes, alone"), || {
            old.seal(&BINDING, &plaintext, &mut RandomPool::for_seals(1))
        });
        time(&format!("open {len} bytes"), || old.open(&BINDING, &sealed));
        time(&format!("rewrap {len} bytes"), || new.rewrap(&old, &BINDING, &sealed, &mut pool));
    }
    Ok(())
}

fn digests() -> Result<(), Box<dyn Error>> {
    let key = IndexKey::new(&SecretKey::random()?);
    time("lookup digest", || key.digest("email", black_box("ada.lovelace@example.org")));
    Ok(())
}

fn events() -> Result<(), Box<dyn Error>> {
    let key = TrailKey::new(1, &SecretKey::random()?);
    let event = Event {
        id: 1,
        at: 2,
        token: Some([7; 16]),
        version: None,
        action: "lookup",
        status: "ok",
        actor: r#"billing role=bunker_app client=192.0.2.7 application="billing""#,
        kind: Some("email"),
        app: None,
        reason: Some("invoice 4711"),
        message: None,
    };
    time("MAC of an audit event", || key.event_mac(black_box(&event)));
    Ok(())
}

fn keyring() -> Result<(), Box<dyn Error>> {
    let master = MasterKey::parse(MasterKey::generate_hex()?.as_bytes())?;
    let id = EntryId { id: 1, purpose: Purpose::Data, version: 1 };
    let key = SecretKey::random()?;
    let entry = master.seal_entry(&id, &key)?;
    time("seal a keyring entry", || master.seal_entry(&id, &key));
    time("open a keyring entry", || master.open_entry(&id, &entry));
    time("expand a wrapping key", || WrappingKey::new(1, &key));
    time("expand an index key", || IndexKey::new(&key));
    Ok(())
}

/// Prints the time one call of `operation` takes in the best of all rounds.
fn time<T>(name: &str, mut operation: impl FnMut() -> T) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..OPERATIONS {
            black_box(operation());
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:40} {:8.0} ns", best * 1e9 / f64::from(OPERATIONS));
}

//! Who really called, in one line that a caller can neither forge nor break up.

use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::guc;
use crate::identity::{self, Identity};
use crate::pg::caller;

/// What the line was made from.
#[derive(PartialEq)]
struct Facts {
    session_role: String,
    current_role: String,
    identity: Option<Identity>,
    application: Option<Vec<u8>>,
    claimed: Option<String>,
}

impl Facts {
    fn now() -> Self {
        Self {
            // By name: a role can be renamed while its session goes on.
            session_role: session_role_name(),
            current_role: caller::role_name(caller::current_role()),
            identity: identity::current(),
            application: caller::application_name().map(CStr::to_bytes).map(<[u8]>::to_vec),
            claimed: guc::claimed_actor(),
        }
    }
}

thread_local! {
    static LINE: RefCell<Option<(Facts, Rc<str>)>> = const { RefCell::new(None) };
}

fn session_role_name() -> String {
    caller::role_name(caller::session_role())
}

/// What the maintenance worker is called in the trail. No role can be called so: a name with a space
/// in it stands in quotes, and what follows a plain one is another field.
const MAINTENANCE: &str = "databunker maintenance";

static IS_MAINTENANCE: AtomicBool = AtomicBool::new(false);

/// From now on this process is the maintenance worker, and nobody has called it.
pub fn be_maintenance() {
    IS_MAINTENANCE.store(true, Relaxed);
}

/// The name under which a version of a profile is kept.
pub fn author() -> String {
    if IS_MAINTENANCE.load(Relaxed) { MAINTENANCE.to_owned() } else { session_role_name() }
}

/// `alice role=bunker_app access_token="shop" client=192.0.2.7 application="billing"`: the
/// session's role, then what else is known.
///
/// What the client says of itself stands in JSON strings, so that it cannot pass for another field.
pub fn current() -> Rc<str> {
    if IS_MAINTENANCE.load(Relaxed) {
        return Rc::from(MAINTENANCE);
    }
    let facts = Facts::now();
    LINE.with_borrow_mut(|line| match line {
        Some((known, text)) if *known == facts => Rc::clone(text),
        _ => {
            let text: Rc<str> = describe(&facts).into();
            *line = Some((facts, Rc::clone(&text)));
            text
        }
    })
}

/// The same where no catalog can be read, because an error is being reported: another role than
/// the session's is told by number.
pub fn without_catalogs() -> Rc<str> {
    let login = caller::session_role_setting().unwrap_or_else(|| String::from("unknown"));
    let mut facts = Facts {
        session_role: login.clone(),
        current_role: login,
        identity: identity::current(),
        application: caller::application_name().map(CStr::to_bytes).map(<[u8]>::to_vec),
        claimed: guc::claimed_actor(),
    };
    if caller::current_role() != caller::session_role() {
        facts.current_role = caller::current_role().to_u32().to_string();
    }
    describe(&facts).into()
}

fn describe(facts: &Facts) -> String {
    let mut line = name(&facts.session_role);
    // Writing to a String cannot fail.
    if facts.current_role != facts.session_role {
        let _ = write!(line, " role={}", name(&facts.current_role));
    }
    match &facts.identity {
        Some(Identity::Application { name, .. }) => {
            let _ = write!(line, " access_token={}", quoted(name));
        }
        Some(Identity::Subject(token)) => {
            let _ = write!(line, " user={token}");
        }
        Some(Identity::Stranger) => line.push_str(" access_token=refused"),
        None => {}
    }
    if let Some(address) = caller::client_address() {
        let _ = write!(line, " client={address}");
    }
    if let Some(application) = &facts.application {
        let _ = write!(line, " application={}", quoted(&String::from_utf8_lossy(application)));
    }
    if let Some(claimed) = &facts.claimed {
        let _ = write!(line, " claimed={}", quoted(claimed));
    }
    line
}

/// A role's name, quoted when it is more than a plain word.
fn name(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! Who comes in: users by a password and a session, programs by a token.
//!
//! Flows in: the cookie or token of a request and the address that it came from. Flows out: a [`Visitor`], or that it is
//! nobody. Where the store has neither users nor tokens and only this machine is served, whoever asks is the local
//! administrator. What is kept stands in the store, of every secret only a hash; what is tried is bounded by a
//! [`limiter`] and counted, and stands in the audit trail.

pub mod cookie;
pub mod limiter;
pub mod password;
pub mod secret;

use super::visitor::Visitor;
use crate::metrics::Metrics;
use crate::store::{Actor, AuditEntry, Role, Session, Store, StoreError, User};
use limiter::{Limiter, Said};
use secret::Secret;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// Passwords that are verified at a time: each takes a core and 19 MiB for some hundredths of a second.
const VERIFIED: usize = 2;
/// Passwords that may wait for their turn.
const WAITING: usize = 32;
/// How long a session may be used without that being written down.
const LATELY: i64 = 60 * SECOND;
/// Octets of a name that are looked at: no user has a longer one.
const NAME: usize = 64;

const SECOND: i64 = 1_000_000_000;

/// What `[web]` says of who comes in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether only this machine is served.
    pub loopback: bool,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host names that the page answers to, beside addresses and `localhost`.
    pub names: Vec<String>,
    /// How long a session lasts.
    pub session: Duration,
    /// How long it lasts without being used.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            loopback: true,
            tls: false,
            names: Vec::new(),
            session: Duration::from_secs(12 * 3600),
            idle: Duration::from_secs(3600),
        }
    }
}

impl Settings {
    /// Whether anybody who reaches the page may come in, or hear what others say.
    pub fn is_open(&self) -> bool {
        self.loopback || !self.tls
    }
}

/// Says what time it is, in nanoseconds since 1970.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Lets people and programs in.
pub struct Access {
    /// What the configuration says.
    pub settings: Settings,
    clock: Clock,
    limiter: Mutex<Limiter>,
    verifying: Semaphore,
    waiting: Semaphore,
}

impl Default for Access {
    fn default() -> Access {
        Access::new(Settings::default())
    }
}

/// What a request shows of who sent it.
#[derive(Default)]
pub struct Shown {
    /// The secret of a session, from a cookie.
    pub session: Option<Secret>,
    /// A token, from `Authorization`; empty where it is of another kind.
    pub token: Option<Secret>,
}

/// Who it is.
pub enum Who {
    /// Somebody that is known. With a session that ought to be written down as used.
    Known(Visitor, Option<Use>),
    /// Nobody that is known.
    Nobody,
    /// A token that is none, or no longer.
    BadToken,
}

/// A session was used.
pub struct Use {
    hash: String,
    at: i64,
    expires: i64,
}

impl Use {
    /// Writes it down. Blocks.
    pub fn keep(&self, store: &Store) {
        if let Err(error) = store.use_session(&self.hash, self.at, self.expires) {
            tracing::warn!("that a session was used is not written down: {error}");
        }
    }
}

/// What came of a name and a password.
pub enum Login {
    /// Right: the secret of a new session.
    Welcome(Secret),
    /// Wrong.
    Wrong,
    /// Too many wrong ones before, or too many at once: seconds to wait.
    Later(u64),
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Access {
    /// With this machine's clock.
    pub fn new(settings: Settings) -> Access {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            nanos(since)
        };
        Access::with_clock(settings, clock)
    }

    /// With another clock.
    pub fn with_clock(settings: Settings, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Access {
        Access {
            settings,
            clock: Arc::new(clock),
            limiter: Mutex::default(),
            verifying: Semaphore::new(VERIFIED),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// The time, in nanoseconds since 1970.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the page answers to this name.
    pub fn answers_to(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost")
            || self.settings.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Who shows this. Blocks.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn who(&self, store: &Store, shown: &Shown) -> Result<Who, StoreError> {
        if shown.token.is_none() && shown.session.is_none() && !self.settings.loopback {
            return Ok(Who::Nobody);
        }
        let now = self.now();
        store.read(|reader| {
            if let Some(secret) = &shown.token {
                let known = reader.token(&secret.hash())?;
                let valid = known.filter(|token| token.expires.is_none_or(|until| until > now));
                return Ok(valid.map_or(Who::BadToken, |token| {
                    let visitor =
                        Visitor { name: format!("token {}", token.name), role: token.role, session: false };
                    Who::Known(visitor, None)
                }));
            }
            if let Some(secret) = &shown.session
                && let Some((session, user)) = reader.session(&secret.hash(), now)?
            {
                let visitor = Visitor { name: user.name, role: user.role, session: true };
                return Ok(Who::Known(visitor, self.used(session, now)));
            }
            if self.settings.loopback && !reader.is_guarded()? {
                return Ok(Who::Known(Visitor::local(), None));
            }
            Ok(Who::Nobody)
        })
    }

    /// What is to be written down of a session that is used now.
    fn used(&self, session: Session, now: i64) -> Option<Use> {
        let lately = LATELY.min(nanos(self.settings.idle) / 4);
        let expires = self.expires(session.created, now);
        (now - session.last_used >= lately).then_some(Use { hash: session.hash, at: now, expires })
    }

    fn expires(&self, created: i64, used: i64) -> i64 {
        let last = created.saturating_add(nanos(self.settings.session));
        last.min(used.saturating_add(nanos(self.settings.idle)))
    }

    /// Lets somebody in who gives a name and a password, from an address.
    ///
    /// # Errors
    /// Where the store cannot be used.
    pub async fn login(
        self: &Arc<Access>,
        store: &Store,
        metrics: &Metrics,
        from: IpAddr,
        name: &str,
        word: Secret,
    ) -> Result<Login, StoreError> {
        let count = |result| metrics.logins.with_label_values(&["password", result]).inc();
        let name = if name.len() > NAME { "" } else { name }.to_owned();
        let Ok(_waits) = self.waiting.try_acquire() else {
            count("limited");
            return Ok(Login::Later(1));
        };
        let begun = self.limiter().begin(from, &name, self.now());
        let attempt = match begun {
            Ok(attempt) => attempt,
            Err(seconds) => {
                count("limited");
                return Ok(Login::Later(seconds));
            }
        };
        let Ok(_turn) = self.verifying.acquire().await else { return Err(StoreError::Closed) };
        let (access, store) = (self.clone(), store.clone());
        let tried = tokio::task::spawn_blocking(move || {
            access.verify(&store, from, &name, &word).map(|secret| (secret, name))
        });
        let (secret, name) = tried.await.map_err(|_| StoreError::Closed)??;
        match secret {
            Some(secret) => {
                self.limiter().succeeded(&attempt, &name, self.now());
                count("accepted");
                Ok(Login::Welcome(secret))
            }
            None => {
                count("refused");
                Ok(Login::Wrong)
            }
        }
    }

    /// The secret of a new session where the password is right. Takes as long where there is no such user.
    fn verify(
        &self,
        store: &Store,
        from: IpAddr,
        name: &str,
        word: &Secret,
    ) -> Result<Option<Secret>, StoreError> {
        let known = store.read(|reader| reader.user(name))?;
        let hash = known.as_ref().map_or(password::NOBODYS, |user| user.password.as_str());
        let right = password::verify(word.text(), hash);
        match known.as_ref().filter(|user| right && user.disabled.is_none()) {
            Some(user) => self.begin(store, user, from).map(Some),
            None => {
                self.refused(store, from, known.as_ref());
                Ok(None)
            }
        }
    }

    fn begin(&self, store: &Store, user: &User, from: IpAddr) -> Result<Secret, StoreError> {
        let secret = Secret::new().map_err(StoreError::Wrong)?;
        let now = self.now();
        let session = Session {
            hash: secret.hash(),
            user: user.name.clone(),
            created: now,
            last_used: now,
            expires: self.expires(now, now),
        };
        store.add_session(session, &user.password, Some(format!("from {from}")))?;
        Ok(secret)
    }

    /// Puts a refused login into the audit trail. A name that is none is not: it may be a password in the wrong field.
    fn refused(&self, store: &Store, from: IpAddr, known: Option<&User>) {
        let who = known.map_or("unknown user".into(), |user| format!("user {}", user.name));
        self.say(store, "login refused", who, from);
    }

    /// Adds to the audit trail, within bounds: it can never be shortened.
    fn say(&self, store: &Store, what: &str, subject: String, from: IpAddr) {
        let said = self.limiter().say(self.now());
        let note = match said {
            Said::No => return,
            Said::Yes => format!("from {from}"),
            Said::After(missed) => format!("from {from}; {missed} more before it are not listed"),
        };
        let entry = AuditEntry { what: what.into(), subject, note: Some(note), ..AuditEntry::default() };
        if let Err(error) = store.audit(&Actor::sensor(), entry) {
            tracing::warn!("a refused login is not in the audit trail: {error}");
        }
    }

    /// Counts a token that is none; seconds to wait where there were too many from this address. Blocks.
    pub fn bad_token(&self, store: &Store, metrics: &Metrics, from: IpAddr) -> Option<u64> {
        let now = self.now();
        let tried = self.limiter().bad_token(from, now);
        let result = if tried.is_err() { "limited" } else { "refused" };
        metrics.logins.with_label_values(&["token", result]).inc();
        // Programs repeat themselves: one line for each address within the window.
        if tried == Ok(true) {
            self.say(store, "token refused", "unknown or expired token".into(), from);
        }
        tried.err()
    }

    /// Ends the session that shows this. Blocks.
    ///
    /// # Errors
    /// Where the store is busy or full.
    pub fn logout(&self, store: &Store, shown: &Shown) -> Result<(), StoreError> {
        match &shown.session {
            Some(secret) => store.end_session(None, &secret.hash()).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// Whether a name may be that of a user or a token: what is readable and cannot be taken for something else.
///
/// # Errors
/// One sentence that says what may be in a name.
pub fn may_be_name(name: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
    if name.is_empty() || name.len() > NAME || !name.chars().all(known) {
        return Err("a name has 1 to 64 letters, digits and . - _ @".into());
    }
    if ["local", "nobody", "wayside"].contains(&name) {
        return Err(format!("'{name}' means something else in the audit trail; take another name"));
    }
    Ok(())
}

/// Whether the first user may be added with this role: from then on everybody must log in, so that somebody must be able
/// to administer.
///
/// # Errors
/// One sentence, where it is not so.
pub fn may_be_first(store: &Store, role: Role) -> Result<(), String> {
    let administrators = store.read(|reader| {
        Ok(reader.users()?.iter().any(|user| user.role == Role::Administer && user.disabled.is_none()))
    });
    match administrators.map_err(|error| error.to_string())? {
        false if role != Role::Administer => Err(
            "add a user with the role 'administer' first: from then on nobody comes in without logging in"
                .into(),
        ),
        _ => Ok(()),
    }
}

//! What to do next, where the rule does not say: a sentence or two for whoever is on shift, by what was done and by whom.

use super::attack::is_remote_service;
use crate::address::Transport;
use crate::event::{Flow, Verb};
use crate::policy::Why;

/// What was done, as far as the advice asks.
pub(super) struct Case<'a> {
    /// Who did it: a name, or an address.
    pub who: &'a str,
    /// To whom.
    pub whom: &'a str,
    /// Whether the files know who did it.
    pub known: bool,
    /// The first point that it is about.
    pub point: Option<String>,
    /// The limits that were broken.
    pub limits: Option<String>,
    pub verb: Verb,
    /// Why no rule allows it; `None` where one forbids it.
    pub why: Option<&'a Why>,
}

impl Case<'_> {
    /// Whom to ask, and what to do where nobody planned it.
    fn ask(&self, check: &str) -> String {
        let who = self.who;
        let and = if check.is_empty() { String::new() } else { format!(" and {check}") };
        if self.known {
            format!(
                "Ask who works at {who} whether this was planned. If it was not, have it stopped there{and}."
            )
        } else {
            format!(
                "Find out who is at {who} now. If nobody planned this, take it off the network at the switch{and}."
            )
        }
    }

    /// "the value of holding register 101 on plc-3".
    fn value(&self) -> String {
        match &self.point {
            Some(point) => format!("the value of {point} on {}", self.whom),
            None => format!("the state of {}", self.whom),
        }
    }
}

/// What to do about a message that the rules object to.
pub(super) fn message(case: &Case<'_>) -> String {
    let Case { who, whom, .. } = case;
    let changes = matches!(case.verb, Verb::Write | Verb::Select | Verb::Operate | Verb::Configure);
    match case.why {
        Some(Why::Value { .. } | Why::ValueUnknown { .. } | Why::Change { .. }) if case.known => {
            let within = case.limits.as_ref().map_or(String::new(), |limits| format!(" ({limits})"));
            return format!(
                "Look at {} now and bring it back within its limits{within} if the process needs it. \
                 Ask who works at {who} why it was changed.",
                case.value()
            );
        }
        Some(Why::Rate) if case.known => {
            return format!(
                "Find out why {who} repeats this: a stuck switch, a program gone wrong, or somebody who should not \
                 be there. Have it stopped there if the process does not need it."
            );
        }
        Some(Why::When) if case.known => {
            return format!(
                "Ask who works at {who} why this is done at this hour. Enter planned work as a maintenance window; \
                 if it was not planned, have it stopped there and check {}.",
                case.value()
            );
        }
        Some(Why::Conduit { .. }) => {
            let check = if changes { format!(", and check {}", case.value()) } else { String::new() };
            return format!(
                "Find out who is at {who}, and how it reaches {whom}: what stands between the two zones should not \
                 let it through. If nobody planned this, close that way{check}."
            );
        }
        _ => {}
    }
    match case.verb {
        Verb::Write | Verb::Select | Verb::Operate => case.ask(&format!("check {}", case.value())),
        Verb::Configure => case.ask(&format!("compare the settings of {whom} with the released ones")),
        Verb::Program => case.ask(&format!(
            "compare the program of {whom} with the last released one before you trust it again"
        )),
        Verb::Restart => {
            format!("Look whether {whom} runs and the process is under control. {}", case.ask(""))
        }
        Verb::Time => case.ask(&format!("check the clock of {whom}")),
        Verb::File => case.ask(&format!("look which files of {whom} were read or changed")),
        Verb::Authenticate => case.ask(&format!("change the keys and passwords of {whom}")),
        Verb::Report => format!(
            "Do not trust what {who} reports to {whom} until somebody has compared it with the process. {}",
            case.ask("")
        ),
        Verb::Other => case.ask(&format!("check {}", case.value())),
        Verb::Read | Verb::Identify | Verb::Diagnose | Verb::Session if case.known => format!(
            "Nothing was changed. Ask who works at {who} whether this was planned; if it is part of its work, have \
             a rule allow it."
        ),
        Verb::Read | Verb::Identify | Verb::Diagnose | Verb::Session => format!(
            "Nothing was changed so far. Find out who is at {who} now; if nobody planned this, take it off the \
             network at the switch before it does more."
        ),
    }
}

/// What to do about a conversation that is no control protocol.
pub(super) fn conversation((who, known): (&str, bool), whom: &str, flow: &Flow, crosses: bool) -> String {
    let find = if known {
        format!("Ask who works at {who} what it wants of {whom}.")
    } else {
        format!("Find out who is at {who}, and what it wants of {whom}.")
    };
    let then = match flow.transport {
        _ if crosses => "What stands between the two zones should not let it through: if nobody planned this, close that way.".to_owned(),
        Transport::Tcp if is_remote_service(flow.dst.port) => {
            format!("With this service somebody can work on {whom} itself: if nobody planned it, close the connection and look at what was changed there.")
        }
        Transport::Ip(1 | 58) => "Somebody may be looking for what is there: watch for more from it.".to_owned(),
        _ => "If it belongs to the plant, have a rule allow it; if not, have it stopped.".to_owned(),
    };
    format!("{find} {then}")
}

/// What to do about a message that could not be decoded in full.
pub(super) fn malformed((who, known): (&str, bool), whom: &str) -> String {
    if known {
        format!(
            "Look whether it repeats. Once, it is likely a fault of a line or of a program at {who}; where it goes \
             on, have {who} looked at, and watch whether {whom} still answers."
        )
    } else {
        format!(
            "Find out who is at {who} now, and watch whether {whom} still answers: malformed messages can be meant \
             to upset it. If nobody planned this, take it off the network at the switch."
        )
    }
}

/// What to do about silence where an answer is expected.
pub(super) fn silence(who: &str, whom: &str) -> String {
    format!(
        "Look whether {who} has power and its line is up, and whether {whom} still asks. Until it answers again, watch \
         that part of the process by other means."
    )
}

//! The techniques and tactics of ATT&CK for ICS, by the ids that rules and alerts carry.
//!
//! Ids, names and tactics: MITRE ATT&CK for ICS 18.1, © The MITRE Corporation, used with permission.

use Tactic::*;

/// What an adversary is after, in the words of ATT&CK for ICS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tactic {
    /// Initial Access.
    InitialAccess,
    /// Execution.
    Execution,
    /// Persistence.
    Persistence,
    /// Privilege Escalation.
    PrivilegeEscalation,
    /// Evasion.
    Evasion,
    /// Discovery.
    Discovery,
    /// Lateral Movement.
    LateralMovement,
    /// Collection.
    Collection,
    /// Command and Control.
    CommandAndControl,
    /// Inhibit Response Function.
    InhibitResponseFunction,
    /// Impair Process Control.
    ImpairProcessControl,
    /// Impact.
    Impact,
}

impl Tactic {
    /// Its id: `TA0106`.
    pub const fn id(self) -> &'static str {
        match self {
            InitialAccess => "TA0108",
            Execution => "TA0104",
            Persistence => "TA0110",
            PrivilegeEscalation => "TA0111",
            Evasion => "TA0103",
            Discovery => "TA0102",
            LateralMovement => "TA0109",
            Collection => "TA0100",
            CommandAndControl => "TA0101",
            InhibitResponseFunction => "TA0107",
            ImpairProcessControl => "TA0106",
            Impact => "TA0105",
        }
    }

    /// Its name: "Impair Process Control".
    pub const fn name(self) -> &'static str {
        match self {
            InitialAccess => "Initial Access",
            Execution => "Execution",
            Persistence => "Persistence",
            PrivilegeEscalation => "Privilege Escalation",
            Evasion => "Evasion",
            Discovery => "Discovery",
            LateralMovement => "Lateral Movement",
            Collection => "Collection",
            CommandAndControl => "Command and Control",
            InhibitResponseFunction => "Inhibit Response Function",
            ImpairProcessControl => "Impair Process Control",
            Impact => "Impact",
        }
    }

    /// Its name as the phase of a kill chain: `impair-process-control`.
    pub const fn phase(self) -> &'static str {
        match self {
            InitialAccess => "initial-access",
            Execution => "execution",
            Persistence => "persistence",
            PrivilegeEscalation => "privilege-escalation",
            Evasion => "evasion",
            Discovery => "discovery",
            LateralMovement => "lateral-movement",
            Collection => "collection",
            CommandAndControl => "command-and-control",
            InhibitResponseFunction => "inhibit-response-function",
            ImpairProcessControl => "impair-process-control",
            Impact => "impact",
        }
    }
}

/// A technique.
#[derive(Clone, Copy, Debug)]
pub struct Technique {
    /// Its id: `T0855`.
    pub id: &'static str,
    /// Its name: "Unauthorized Command Message".
    pub name: &'static str,
    /// What it serves.
    pub tactics: &'static [Tactic],
}

const fn of(id: &'static str, name: &'static str, tactics: &'static [Tactic]) -> Technique {
    Technique { id, name, tactics }
}

/// All of them, sorted by id.
const TECHNIQUES: [Technique; 83] = [
    of("T0800", "Activate Firmware Update Mode", &[InhibitResponseFunction]),
    of("T0801", "Monitor Process State", &[Collection]),
    of("T0802", "Automated Collection", &[Collection]),
    of("T0803", "Block Command Message", &[InhibitResponseFunction]),
    of("T0804", "Block Reporting Message", &[InhibitResponseFunction]),
    of("T0805", "Block Serial COM", &[InhibitResponseFunction]),
    of("T0806", "Brute Force I/O", &[ImpairProcessControl]),
    of("T0807", "Command-Line Interface", &[Execution]),
    of("T0809", "Data Destruction", &[InhibitResponseFunction]),
    of("T0811", "Data from Information Repositories", &[Collection]),
    of("T0812", "Default Credentials", &[LateralMovement]),
    of("T0813", "Denial of Control", &[Impact]),
    of("T0814", "Denial of Service", &[InhibitResponseFunction]),
    of("T0815", "Denial of View", &[Impact]),
    of("T0816", "Device Restart/Shutdown", &[InhibitResponseFunction]),
    of("T0817", "Drive-by Compromise", &[InitialAccess]),
    of("T0819", "Exploit Public-Facing Application", &[InitialAccess]),
    of("T0820", "Exploitation for Evasion", &[Evasion]),
    of("T0821", "Modify Controller Tasking", &[Execution]),
    of("T0822", "External Remote Services", &[InitialAccess]),
    of("T0823", "Graphical User Interface", &[Execution]),
    of("T0826", "Loss of Availability", &[Impact]),
    of("T0827", "Loss of Control", &[Impact]),
    of("T0828", "Loss of Productivity and Revenue", &[Impact]),
    of("T0829", "Loss of View", &[Impact]),
    of("T0830", "Adversary-in-the-Middle", &[Collection]),
    of("T0831", "Manipulation of Control", &[Impact]),
    of("T0832", "Manipulation of View", &[Impact]),
    of("T0834", "Native API", &[Execution]),
    of("T0835", "Manipulate I/O Image", &[InhibitResponseFunction]),
    of("T0836", "Modify Parameter", &[ImpairProcessControl]),
    of("T0837", "Loss of Protection", &[Impact]),
    of("T0838", "Modify Alarm Settings", &[InhibitResponseFunction]),
    of("T0839", "Module Firmware", &[Persistence, ImpairProcessControl]),
    of("T0840", "Network Connection Enumeration", &[Discovery]),
    of("T0842", "Network Sniffing", &[Discovery]),
    of("T0843", "Program Download", &[LateralMovement]),
    of("T0845", "Program Upload", &[Collection]),
    of("T0846", "Remote System Discovery", &[Discovery]),
    of("T0847", "Replication Through Removable Media", &[InitialAccess]),
    of("T0848", "Rogue Master", &[InitialAccess]),
    of("T0849", "Masquerading", &[Evasion]),
    of("T0851", "Rootkit", &[Evasion, InhibitResponseFunction]),
    of("T0852", "Screen Capture", &[Collection]),
    of("T0853", "Scripting", &[Execution]),
    of("T0855", "Unauthorized Command Message", &[ImpairProcessControl]),
    of("T0856", "Spoof Reporting Message", &[Evasion, ImpairProcessControl]),
    of("T0857", "System Firmware", &[Persistence, InhibitResponseFunction]),
    of("T0858", "Change Operating Mode", &[Execution, Evasion]),
    of("T0859", "Valid Accounts", &[Persistence, LateralMovement]),
    of("T0860", "Wireless Compromise", &[InitialAccess]),
    of("T0861", "Point & Tag Identification", &[Collection]),
    of("T0862", "Supply Chain Compromise", &[InitialAccess]),
    of("T0863", "User Execution", &[Execution]),
    of("T0864", "Transient Cyber Asset", &[InitialAccess]),
    of("T0865", "Spearphishing Attachment", &[InitialAccess]),
    of("T0866", "Exploitation of Remote Services", &[InitialAccess, LateralMovement]),
    of("T0867", "Lateral Tool Transfer", &[LateralMovement]),
    of("T0868", "Detect Operating Mode", &[Collection]),
    of("T0869", "Standard Application Layer Protocol", &[CommandAndControl]),
    of("T0871", "Execution through API", &[Execution]),
    of("T0872", "Indicator Removal on Host", &[Evasion]),
    of("T0873", "Project File Infection", &[Persistence]),
    of("T0874", "Hooking", &[Execution, PrivilegeEscalation]),
    of("T0877", "I/O Image", &[Collection]),
    of("T0878", "Alarm Suppression", &[InhibitResponseFunction]),
    of("T0879", "Damage to Property", &[Impact]),
    of("T0880", "Loss of Safety", &[Impact]),
    of("T0881", "Service Stop", &[InhibitResponseFunction]),
    of("T0882", "Theft of Operational Information", &[Impact]),
    of("T0883", "Internet Accessible Device", &[InitialAccess]),
    of("T0884", "Connection Proxy", &[CommandAndControl]),
    of("T0885", "Commonly Used Port", &[CommandAndControl]),
    of("T0886", "Remote Services", &[InitialAccess, LateralMovement]),
    of("T0887", "Wireless Sniffing", &[Discovery, Collection]),
    of("T0888", "Remote System Information Discovery", &[Discovery]),
    of("T0889", "Modify Program", &[Persistence]),
    of("T0890", "Exploitation for Privilege Escalation", &[PrivilegeEscalation]),
    of("T0891", "Hardcoded Credentials", &[LateralMovement, Persistence]),
    of("T0892", "Change Credential", &[InhibitResponseFunction]),
    of("T0893", "Data from Local System", &[Collection]),
    of("T0894", "System Binary Proxy Execution", &[Evasion]),
    of("T0895", "Autorun Image", &[Execution]),
];

/// The technique of this id, where it is one.
pub fn technique(id: &str) -> Option<&'static Technique> {
    let at = TECHNIQUES.binary_search_by_key(&id, |technique| technique.id).ok()?;
    TECHNIQUES.get(at)
}

/// The name of a technique, where it is one.
pub fn technique_name(id: &str) -> Option<&'static str> {
    technique(id).map(|technique| technique.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_mitres() {
        assert!(TECHNIQUES.is_sorted_by_key(|technique| technique.id));
        let Ok(published) = std::fs::read_to_string("../shared/attack-ics-18.1.tsv") else {
            return println!("skipped: the published list is not there");
        };
        let line = |technique: &Technique| {
            let phases: Vec<_> = technique.tactics.iter().map(|tactic| tactic.phase()).collect();
            format!("{}\t{}\t{}", technique.id, technique.name, phases.join(","))
        };
        let ours: Vec<_> = TECHNIQUES.iter().map(line).collect();
        let theirs: Vec<_> = published.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(ours, theirs);
    }
}

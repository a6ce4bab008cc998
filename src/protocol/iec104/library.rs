//! The types of ASDUs in one table: number, names, what they do, and the information elements of one object (IEC
//! 60870-5-101:2003, 7.3; IEC 60870-5-104:2006, 8; security of IEC 60870-5-7).

use crate::event::Verb;

/// One information element: what stands in an object beside its address (IEC 60870-5-101, 7.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// Single point with quality.
    Siq,
    /// Double point with quality.
    Diq,
    /// Step position with transient indication.
    Vti,
    /// Binary state information, 32 bits.
    Bsi,
    /// Normalized value, from -1 to +1 - 2^-15.
    Nva,
    /// Scaled value, 16 bits signed.
    Sva,
    /// Short floating point number (IEEE 754).
    R32,
    /// Binary counter reading: 32 bits signed, sequence and quality.
    Bcr,
    /// Status and change of 16 single points.
    Scd,
    /// Single event of protection equipment.
    Sep,
    /// Start events of protection equipment.
    Spe,
    /// Output circuits of protection equipment.
    Oci,
    /// Quality descriptor.
    Qds,
    /// Quality descriptor of protection events.
    Qdp,
    /// An interval in milliseconds.
    Cp16,
    /// A time within the hour.
    Cp24,
    /// A date and time.
    Cp56,
    /// Single command.
    Sco,
    /// Double command.
    Dco,
    /// Regulating step command.
    Rco,
    /// Qualifier of set-point command.
    Qos,
    /// Cause of initialization.
    Coi,
    /// Qualifier of interrogation.
    Qoi,
    /// Qualifier of counter interrogation.
    Qcc,
    /// Fixed test bit pattern.
    Fbp,
    /// Qualifier of reset process.
    Qrp,
    /// Test sequence counter.
    Tsc,
    /// Qualifier of parameter of measured values.
    Qpm,
    /// Qualifier of parameter activation.
    Qpa,
    /// Name of file.
    Nof,
    /// Name of section.
    Nos,
    /// Length of file or section, in octets.
    Lof,
    /// File ready qualifier.
    Frq,
    /// Section ready qualifier.
    Srq,
    /// Select and call qualifier.
    Scq,
    /// Last section or segment qualifier.
    Lsq,
    /// Checksum.
    Chs,
    /// Acknowledge file or section qualifier.
    Afq,
    /// Status of file.
    Sof,
    /// Length of segment and the segment itself: as long as it says.
    Segment,
    /// Association of IEC 60870-5-7.
    Aid,
}

impl Element {
    /// How many octets it takes; for a segment the least.
    pub const fn octets(self) -> usize {
        match self {
            Element::Siq | Element::Diq | Element::Vti | Element::Qds | Element::Qdp => 1,
            Element::Sep | Element::Spe | Element::Oci => 1,
            Element::Sco | Element::Dco | Element::Rco | Element::Qos => 1,
            Element::Coi | Element::Qoi | Element::Qcc | Element::Qrp | Element::Qpm | Element::Qpa => 1,
            Element::Nos | Element::Frq | Element::Srq | Element::Scq | Element::Lsq => 1,
            Element::Chs | Element::Afq | Element::Sof | Element::Segment => 1,
            Element::Nva | Element::Sva | Element::Cp16 | Element::Fbp | Element::Tsc => 2,
            Element::Nof | Element::Aid => 2,
            Element::Cp24 | Element::Lof => 3,
            Element::Bsi | Element::R32 | Element::Scd => 4,
            Element::Bcr => 5,
            Element::Cp56 => 7,
        }
    }

    /// Whether it is what a rule compares: the value of its point.
    pub const fn is_value(self) -> bool {
        matches!(
            self,
            Element::Siq
                | Element::Diq
                | Element::Vti
                | Element::Bsi
                | Element::Nva
                | Element::Sva
                | Element::R32
                | Element::Bcr
                | Element::Scd
                | Element::Sep
                | Element::Spe
                | Element::Oci
                | Element::Sco
                | Element::Dco
                | Element::Rco
        )
    }
}

/// What kind of type it is, which says who sends it and what an answer to it looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Process information that a controlled station sends.
    Monitor,
    /// A command to the process.
    Command,
    /// A command to the station: interrogation, clock, test, reset.
    System,
    /// A parameter.
    Parameter,
    /// A part of a file transfer, in either direction.
    File,
    /// Security of IEC 60870-5-7, of which the content is not taken apart.
    Security,
}

/// One type of ASDU.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Its identification.
    pub code: u8,
    /// The standard's short name, as rules write it: "c-sc-na-1".
    pub name: &'static str,
    /// The same as the standard writes it: "C_SC_NA_1".
    pub label: &'static str,
    /// What it is: "single command".
    pub title: &'static str,
    /// What kind it is.
    pub class: Class,
    /// What it does; a command that only selects does [`Verb::Select`].
    pub verb: Verb,
    /// What stands in an object beside its address.
    pub elements: &'static [Element],
}

impl Type {
    /// Octets of one object without its address; of one with a segment, the least.
    pub const fn octets(&self) -> usize {
        let (mut sum, mut at) = (0, 0);
        while at < self.elements.len() {
            sum += self.elements[at].octets();
            at += 1;
        }
        sum
    }

    /// Whether an object has one length: it ends in no segment.
    pub fn is_fixed(&self) -> bool {
        self.elements.last() != Some(&Element::Segment)
    }

    /// Whether objects follow the header at all: IEC 60870-5-7 has its own form.
    pub fn has_objects(&self) -> bool {
        self.class != Class::Security
    }

    /// Whether its object stands for the station, so that its address is 0 (IEC 60870-5-101, 7.3.3 and 7.3.4).
    pub fn is_about_station(&self) -> bool {
        matches!(self.code, 70 | 100 | 101 | 103..=107)
    }
}

/// The type of this number.
pub fn find(code: u8) -> Option<&'static Type> {
    let place = *PLACES.get(usize::from(code))?;
    TYPES.get(usize::from(place))
}

/// Where in [`TYPES`] a number stands; beyond its end for one that is not there.
static PLACES: [u8; 256] = places();

const fn places() -> [u8; 256] {
    let mut all = [u8::MAX; 256];
    let mut at = 0;
    while at < TYPES.len() {
        all[TYPES[at].code as usize] = at as u8;
        at += 1;
    }
    all
}

macro_rules! types {
    ($($code:literal $name:literal $label:literal $title:literal $class:ident $verb:ident [$($element:ident)*],)*) => {
        /// Every type that the standards define, by number.
        pub const TYPES: &[Type] = TABLE;
        const TABLE: &[Type] = &[$(Type {
            code: $code,
            name: $name,
            label: $label,
            title: $title,
            class: Class::$class,
            verb: Verb::$verb,
            elements: &[$(Element::$element),*],
        }),*];
    };
}

types! {
    1 "m-sp-na-1" "M_SP_NA_1" "single-point information" Monitor Report [Siq],
    2 "m-sp-ta-1" "M_SP_TA_1" "single-point information with time tag" Monitor Report [Siq Cp24],
    3 "m-dp-na-1" "M_DP_NA_1" "double-point information" Monitor Report [Diq],
    4 "m-dp-ta-1" "M_DP_TA_1" "double-point information with time tag" Monitor Report [Diq Cp24],
    5 "m-st-na-1" "M_ST_NA_1" "step position information" Monitor Report [Vti Qds],
    6 "m-st-ta-1" "M_ST_TA_1" "step position information with time tag" Monitor Report [Vti Qds Cp24],
    7 "m-bo-na-1" "M_BO_NA_1" "bitstring of 32 bits" Monitor Report [Bsi Qds],
    8 "m-bo-ta-1" "M_BO_TA_1" "bitstring of 32 bits with time tag" Monitor Report [Bsi Qds Cp24],
    9 "m-me-na-1" "M_ME_NA_1" "measured value, normalized" Monitor Report [Nva Qds],
    10 "m-me-ta-1" "M_ME_TA_1" "measured value, normalized, with time tag" Monitor Report [Nva Qds Cp24],
    11 "m-me-nb-1" "M_ME_NB_1" "measured value, scaled" Monitor Report [Sva Qds],
    12 "m-me-tb-1" "M_ME_TB_1" "measured value, scaled, with time tag" Monitor Report [Sva Qds Cp24],
    13 "m-me-nc-1" "M_ME_NC_1" "measured value, short floating point" Monitor Report [R32 Qds],
    14 "m-me-tc-1" "M_ME_TC_1" "measured value, short floating point, with time tag" Monitor Report [R32 Qds Cp24],
    15 "m-it-na-1" "M_IT_NA_1" "integrated totals" Monitor Report [Bcr],
    16 "m-it-ta-1" "M_IT_TA_1" "integrated totals with time tag" Monitor Report [Bcr Cp24],
    17 "m-ep-ta-1" "M_EP_TA_1" "event of protection equipment with time tag" Monitor Report [Sep Cp16 Cp24],
    18 "m-ep-tb-1" "M_EP_TB_1" "start events of protection equipment with time tag" Monitor Report [Spe Qdp Cp16 Cp24],
    19 "m-ep-tc-1" "M_EP_TC_1" "output circuits of protection equipment with time tag" Monitor Report [Oci Qdp Cp16 Cp24],
    20 "m-ps-na-1" "M_PS_NA_1" "packed single-point information with change detection" Monitor Report [Scd Qds],
    21 "m-me-nd-1" "M_ME_ND_1" "measured value, normalized, without quality" Monitor Report [Nva],
    30 "m-sp-tb-1" "M_SP_TB_1" "single-point information with time tag CP56Time2a" Monitor Report [Siq Cp56],
    31 "m-dp-tb-1" "M_DP_TB_1" "double-point information with time tag CP56Time2a" Monitor Report [Diq Cp56],
    32 "m-st-tb-1" "M_ST_TB_1" "step position information with time tag CP56Time2a" Monitor Report [Vti Qds Cp56],
    33 "m-bo-tb-1" "M_BO_TB_1" "bitstring of 32 bits with time tag CP56Time2a" Monitor Report [Bsi Qds Cp56],
    34 "m-me-td-1" "M_ME_TD_1" "measured value, normalized, with time tag CP56Time2a" Monitor Report [Nva Qds Cp56],
    35 "m-me-te-1" "M_ME_TE_1" "measured value, scaled, with time tag CP56Time2a" Monitor Report [Sva Qds Cp56],
    36 "m-me-tf-1" "M_ME_TF_1" "measured value, short floating point, with time tag CP56Time2a" Monitor Report [R32 Qds Cp56],
    37 "m-it-tb-1" "M_IT_TB_1" "integrated totals with time tag CP56Time2a" Monitor Report [Bcr Cp56],
    38 "m-ep-td-1" "M_EP_TD_1" "event of protection equipment with time tag CP56Time2a" Monitor Report [Sep Cp16 Cp56],
    39 "m-ep-te-1" "M_EP_TE_1" "start events of protection equipment with time tag CP56Time2a" Monitor Report [Spe Qdp Cp16 Cp56],
    40 "m-ep-tf-1" "M_EP_TF_1" "output circuits of protection equipment with time tag CP56Time2a" Monitor Report [Oci Qdp Cp16 Cp56],
    41 "s-it-tc-1" "S_IT_TC_1" "integrated totals with security statistics" Monitor Report [Aid Bcr Cp56],
    45 "c-sc-na-1" "C_SC_NA_1" "single command" Command Operate [Sco],
    46 "c-dc-na-1" "C_DC_NA_1" "double command" Command Operate [Dco],
    47 "c-rc-na-1" "C_RC_NA_1" "regulating step command" Command Operate [Rco],
    48 "c-se-na-1" "C_SE_NA_1" "set-point command, normalized" Command Operate [Nva Qos],
    49 "c-se-nb-1" "C_SE_NB_1" "set-point command, scaled" Command Operate [Sva Qos],
    50 "c-se-nc-1" "C_SE_NC_1" "set-point command, short floating point" Command Operate [R32 Qos],
    51 "c-bo-na-1" "C_BO_NA_1" "bitstring of 32 bits, command" Command Operate [Bsi],
    58 "c-sc-ta-1" "C_SC_TA_1" "single command with time tag CP56Time2a" Command Operate [Sco Cp56],
    59 "c-dc-ta-1" "C_DC_TA_1" "double command with time tag CP56Time2a" Command Operate [Dco Cp56],
    60 "c-rc-ta-1" "C_RC_TA_1" "regulating step command with time tag CP56Time2a" Command Operate [Rco Cp56],
    61 "c-se-ta-1" "C_SE_TA_1" "set-point command, normalized, with time tag CP56Time2a" Command Operate [Nva Qos Cp56],
    62 "c-se-tb-1" "C_SE_TB_1" "set-point command, scaled, with time tag CP56Time2a" Command Operate [Sva Qos Cp56],
    63 "c-se-tc-1" "C_SE_TC_1" "set-point command, short floating point, with time tag CP56Time2a" Command Operate [R32 Qos Cp56],
    64 "c-bo-ta-1" "C_BO_TA_1" "bitstring of 32 bits, command, with time tag CP56Time2a" Command Operate [Bsi Cp56],
    70 "m-ei-na-1" "M_EI_NA_1" "end of initialization" Monitor Report [Coi],
    81 "s-ch-na-1" "S_CH_NA_1" "authentication challenge" Security Authenticate [],
    82 "s-rp-na-1" "S_RP_NA_1" "authentication reply" Security Authenticate [],
    83 "s-ar-na-1" "S_AR_NA_1" "aggressive mode authentication request" Security Authenticate [],
    84 "s-kr-na-1" "S_KR_NA_1" "session key status request" Security Authenticate [],
    85 "s-ks-na-1" "S_KS_NA_1" "session key status" Security Authenticate [],
    86 "s-kc-na-1" "S_KC_NA_1" "session key change" Security Authenticate [],
    87 "s-er-na-1" "S_ER_NA_1" "authentication error" Security Authenticate [],
    90 "s-us-na-1" "S_US_NA_1" "user status change" Security Authenticate [],
    91 "s-uq-na-1" "S_UQ_NA_1" "update key change request" Security Authenticate [],
    92 "s-ur-na-1" "S_UR_NA_1" "update key change reply" Security Authenticate [],
    93 "s-uk-na-1" "S_UK_NA_1" "update key change, symmetric" Security Authenticate [],
    94 "s-ua-na-1" "S_UA_NA_1" "update key change, asymmetric" Security Authenticate [],
    95 "s-uc-na-1" "S_UC_NA_1" "update key change confirmation" Security Authenticate [],
    100 "c-ic-na-1" "C_IC_NA_1" "interrogation command" System Read [Qoi],
    101 "c-ci-na-1" "C_CI_NA_1" "counter interrogation command" System Read [Qcc],
    102 "c-rd-na-1" "C_RD_NA_1" "read command" System Read [],
    103 "c-cs-na-1" "C_CS_NA_1" "clock synchronization command" System Time [Cp56],
    104 "c-ts-na-1" "C_TS_NA_1" "test command" System Diagnose [Fbp],
    105 "c-rp-na-1" "C_RP_NA_1" "reset process command" System Restart [Qrp],
    106 "c-cd-na-1" "C_CD_NA_1" "delay acquisition command" System Time [Cp16],
    107 "c-ts-ta-1" "C_TS_TA_1" "test command with time tag CP56Time2a" System Diagnose [Tsc Cp56],
    110 "p-me-na-1" "P_ME_NA_1" "parameter of measured value, normalized" Parameter Configure [Nva Qpm],
    111 "p-me-nb-1" "P_ME_NB_1" "parameter of measured value, scaled" Parameter Configure [Sva Qpm],
    112 "p-me-nc-1" "P_ME_NC_1" "parameter of measured value, short floating point" Parameter Configure [R32 Qpm],
    113 "p-ac-na-1" "P_AC_NA_1" "parameter activation" Parameter Configure [Qpa],
    120 "f-fr-na-1" "F_FR_NA_1" "file ready" File File [Nof Lof Frq],
    121 "f-sr-na-1" "F_SR_NA_1" "section ready" File File [Nof Nos Lof Srq],
    122 "f-sc-na-1" "F_SC_NA_1" "call directory, select file, call file, call section" File File [Nof Nos Scq],
    123 "f-ls-na-1" "F_LS_NA_1" "last section, last segment" File File [Nof Nos Lsq Chs],
    124 "f-af-na-1" "F_AF_NA_1" "acknowledge file, acknowledge section" File File [Nof Nos Afq],
    125 "f-sg-na-1" "F_SG_NA_1" "segment" File File [Nof Nos Segment],
    126 "f-dr-ta-1" "F_DR_TA_1" "directory" File File [Nof Lof Sof Cp56],
    127 "f-sc-nb-1" "F_SC_NB_1" "query log, request archive file" File File [Nof Cp56 Cp56],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_each_name_twice() {
        assert!(TYPES.is_sorted_by_key(|row| row.code));
        for row in TYPES {
            assert_eq!(row.name, row.label.to_ascii_lowercase().replace('_', "-"));
            assert_eq!(find(row.code).map(|found| found.name), Some(row.name));
            assert!(row.elements.iter().filter(|element| element.is_value()).count() <= 1, "{}", row.name);
            // With a time tag or without, the rest is the same (IEC 60870-5-101, 7.3).
            let segment = row.elements.iter().position(|element| *element == Element::Segment);
            assert!(segment.is_none_or(|at| at + 1 == row.elements.len()), "{}", row.name);
        }
        assert!(find(0).is_none() && find(22).is_none() && find(255).is_none());
    }

    #[test]
    fn objects_have_the_sizes_of_the_standard() {
        let size = |code| find(code).unwrap().octets();
        let sizes: Vec<usize> = [1, 2, 5, 8, 13, 14, 15, 16, 17, 18, 20, 21].map(size).into();
        assert_eq!(sizes, [1, 4, 2, 8, 5, 8, 5, 8, 6, 7, 5, 2]);
        let sizes: Vec<usize> = [30, 33, 36, 37, 38, 39, 40, 45, 50, 51, 63, 64].map(size).into();
        assert_eq!(sizes, [8, 12, 12, 12, 10, 11, 11, 1, 5, 4, 12, 11]);
        let sizes: Vec<usize> =
            [70, 100, 102, 103, 107, 112, 120, 121, 122, 123, 124, 126, 127].map(size).into();
        assert_eq!(sizes, [1, 1, 0, 7, 9, 5, 6, 7, 4, 5, 4, 13, 16]);
    }
}

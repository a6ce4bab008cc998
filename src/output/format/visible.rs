//! Text without control characters and marks that reorder or break a line: where a format has no escape for them, they
//! are shown as JSON would write them (`\u202e`).

use std::fmt::Write as _;

/// Whether a character would act on a terminal or a line instead of being shown in it.
pub(super) fn acts(character: char) -> bool {
    matches!(character, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Appends at most `most` octets of the text, whole characters only, made visible.
pub(super) fn push(text: &str, most: usize, out: &mut String) {
    let end = out.len().saturating_add(most);
    for character in text.chars() {
        let before = out.len();
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
        if out.len() > end {
            return out.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_what_is_long_is_cut_between_characters() {
        let shown = |text: &str, most| {
            let mut out = "x".to_owned();
            push(text, most, &mut out);
            out
        };
        assert_eq!(shown("a\u{202e}b\u{2028}\u{1b}[31m", 99), "xa\\u202eb\\u2028\\u001b[31m");
        assert_eq!(shown("Grüße", 3), "xGr");
        assert_eq!(shown("Grüße", 4), "xGrü");
        assert_eq!(shown("ab\n", 5), "xab", "an escape is not cut either");
    }
}

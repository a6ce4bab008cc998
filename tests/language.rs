//! The rule language.
#[test]
fn schema_crate_builds() {
    assert!(jsonschema::is_valid(&serde_json::json!({"type":"object"}), &serde_json::json!({})));
}

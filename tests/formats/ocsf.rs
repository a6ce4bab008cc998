//! OCSF: the published definitions of classes, objects and attributes made into a JSON Schema, which forbids everything
//! that they do not have.

use super::{alerts, json};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wayside::output::format::Format;

struct Definitions {
    folder: PathBuf,
    dictionary: Map<String, Value>,
    types: Map<String, Value>,
    /// The schemas of objects that were needed so far.
    objects: BTreeMap<String, Value>,
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Definitions {
    fn open() -> Option<Definitions> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/schemas/ocsf");
        if !folder.is_dir() {
            println!("ocsf: skipped, there is no ../shared/schemas/ocsf");
            return None;
        }
        let dictionary = read(&folder.join("dictionary.json"));
        let object = |value: &Value| value.as_object().unwrap().clone();
        let (types, dictionary) =
            (object(&dictionary["types"]["attributes"]), object(&dictionary["attributes"]));
        Some(Definitions { folder, dictionary, types, objects: BTreeMap::new() })
    }

    /// The attributes of a definition with those that it extends and includes, and its constraint.
    fn attributes(&self, path: &Path) -> (Map<String, Value>, Option<Value>) {
        let own = read(path);
        let mut constraint = None;
        let mut all = match own["extends"].as_str() {
            Some(parent) => {
                let beside = path.with_file_name(format!("{parent}.json"));
                let above = path.parent().unwrap().with_file_name(format!("{parent}.json"));
                let (all, inherited) = self.attributes(if beside.exists() { &beside } else { &above });
                constraint = inherited;
                all
            }
            None => Map::new(),
        };
        if own["constraints"].is_object() {
            constraint = Some(own["constraints"].clone());
        }
        for (name, attribute) in own["attributes"].as_object().unwrap() {
            if name == "$include" {
                // Profiles are chosen in the metadata, and we choose none: what they add is not allowed.
                continue;
            }
            let known = all.entry(name.clone()).or_insert_with(|| json!({}));
            for (key, value) in attribute.as_object().unwrap() {
                match (key.as_str(), known.get_mut(key)) {
                    ("enum", Some(Value::Object(known))) => known.extend(value.as_object().unwrap().clone()),
                    _ => drop(known.as_object_mut().unwrap().insert(key.clone(), value.clone())),
                }
            }
        }
        (all, constraint)
    }

    fn schema(&mut self, path: &Path) -> Value {
        let (attributes, constraint) = self.attributes(path);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, attribute) in &attributes {
            // What belongs to a profile that we do not choose.
            if attribute["profile"].is_string() {
                continue;
            }
            if attribute["requirement"] == "required" {
                required.push(name.clone());
            }
            properties.insert(name.clone(), self.attribute(name, attribute));
        }
        let mut schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        });
        if let Some(names) = constraint.as_ref().and_then(|constraint| constraint["at_least_one"].as_array())
        {
            let any: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
            schema["anyOf"] = any.into();
        }
        schema
    }

    fn attribute(&mut self, name: &str, own: &Value) -> Value {
        let general =
            self.dictionary.get(name).unwrap_or_else(|| panic!("{name} is not in the dictionary")).clone();
        let kind = general["type"].as_str().unwrap();
        let mut one = match kind {
            "object" => json!({ "type": "object" }),
            kind if kind.ends_with("_t") => self.simple(kind),
            object => {
                self.object(object);
                json!({ "$ref": format!("#/$defs/{object}") })
            }
        };
        let mut numbers: Map<String, Value> = general["enum"].as_object().cloned().unwrap_or_default();
        numbers.extend(own["enum"].as_object().cloned().unwrap_or_default());
        if !numbers.is_empty() && one["type"] == "integer" {
            let numbers: Vec<Value> = numbers.keys().map(|key| key.parse::<i64>().unwrap().into()).collect();
            one["enum"] = numbers.into();
        }
        if general["is_array"] == true { json!({ "type": "array", "items": one }) } else { one }
    }

    /// The numbers of the kinds of observables, which stand where the kinds are defined.
    fn observables(&self) -> Vec<u64> {
        let all = self.types.values().chain(self.dictionary.values());
        all.filter_map(|definition| definition["observable"].as_u64()).chain([0, 99]).collect()
    }

    fn object(&mut self, name: &str) {
        if self.objects.contains_key(name) {
            return;
        }
        self.objects.insert(name.to_owned(), Value::Null);
        let path = self.folder.join(format!("objects/{name}.json"));
        let schema = self.schema(&path);
        self.objects.insert(name.to_owned(), schema);
    }

    fn simple(&self, kind: &str) -> Value {
        let definition = &self.types[kind];
        let base = definition["type"].as_str().unwrap_or(kind);
        let mut schema = match base {
            "string_t" => json!({ "type": "string" }),
            "integer_t" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
            "long_t" => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
            "boolean_t" => json!({ "type": "boolean" }),
            "float_t" => json!({ "type": "number" }),
            "json_t" => json!({}),
            other => panic!("the type {other}"),
        };
        if let Some(pattern) = definition["regex"].as_str() {
            schema["pattern"] = pattern.into();
        }
        if let Some(most) = definition["max_len"].as_u64() {
            schema["maxLength"] = most.into();
        }
        if let Some([from, to]) = definition["range"].as_array().map(Vec::as_slice) {
            (schema["minimum"], schema["maximum"]) = (from.clone(), to.clone());
        }
        schema
    }
}

#[test]
fn ocsf_is_a_detection_finding_by_the_published_definitions() {
    let Some(mut definitions) = Definitions::open() else { return };
    let path = definitions.folder.join("events/findings/detection_finding.json");
    let mut schema = definitions.schema(&path);
    // The numbers of a class and of its category are not listed but made: category * 1000 + class.
    let category =
        read(&definitions.folder.join("categories.json"))["attributes"]["findings"]["uid"].as_u64().unwrap();
    let class = category * 1000 + read(&path)["uid"].as_u64().unwrap();
    schema["properties"]["category_uid"] = json!({ "const": category });
    schema["properties"]["class_uid"] = json!({ "const": class });
    schema["properties"]["type_uid"] = json!({ "enum": [class * 100 + 1, class * 100 + 2, class * 100 + 3] });
    let observables = definitions.observables();
    assert!(observables.contains(&2) && observables.contains(&3));
    definitions.objects.get_mut("observable").unwrap()["properties"]["type_id"] =
        json!({ "enum": observables });
    schema["$defs"] = definitions.objects.clone().into_iter().collect::<Map<_, _>>().into();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let all = alerts("ocsf");
    for alert in &all {
        let finding = json(alert, Format::Ocsf);
        let objections: Vec<_> = validator
            .iter_errors(&finding)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(objections.is_empty(), "{objections:#?}\n{finding:#}");
        assert_eq!(finding["class_uid"], 2004);
        let type_uid = 200_400 + finding["activity_id"].as_u64().unwrap();
        assert_eq!(finding["type_uid"].as_u64(), Some(type_uid));
        assert_eq!(finding["finding_info"]["desc"].as_str(), Some(alert.summary.as_str()));
        let connection = &finding["evidences"][0]["connection_info"];
        assert_eq!(connection["community_uid"].as_str(), alert.community_id.as_deref());
    }
    // The schema can refuse.
    let good = json(&all[0], Format::Ocsf);
    for (at, wrong) in [
        ("/severity_id", json!(7)),
        ("/metadata/product", json!(null)),
        ("/evidences/0/src_endpoint/ip", json!("10.0.0")),
        ("/finding_info/attacks/0", json!({})),
        ("/time", json!("now")),
        ("/unmapped", json!([])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not there: {good:#}")) = wrong;
        assert!(!validator.is_valid(&bad), "{at}");
    }
}

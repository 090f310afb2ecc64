//! Properties over arbitrary texts and documents.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{budget, results};
use crate::path::*;

fn documents() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        (-2.0..2.0).prop_map(|float: f64| json!(float)),
        any::<u64>().prop_map(Value::from),
        "[abc.]{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts that often are paths.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "$", "@", ".a", ".b", "..", ".*", "[", "]", "[0]", "[-1]", "[?", "(", ")", "[?(@.a", "*",
            "==", "!=", "<", ">=", "=~", "&&", "||", "!", "1", "-2", "1.5", "'a'", "\"b\"", ",", ":",
            " ", " + ", " - ", " * ", " / ", " % ", " in ", " nin ", " size ", " empty ", "true",
            "null", "[1,2]", "{'a':1}", "~", ".length()", ".keys()", ".append(", "sum(", "match(",
            ".first()", " subsetof ", " anyof ", "'[ab]+'", "\\", "é",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("${}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>()) {
        let _ = Path::parse(&text);
    }

    #[test]
    fn no_path_makes_evaluation_panic(text in texts(), document in documents()) {
        let _ = results(&document, &text);
        if let Ok(path) = Path::parse(&text) {
            let _ = path.locations(&document, &budget());
            let _ = path.deletions(&document, &budget());
        }
    }

    #[test]
    fn ways_to_evaluate_agree(text in texts(), document in documents()) {
        let Ok(path) = Path::parse(&text) else { return Ok(()) };
        let Ok(found) = path.find(&document, &budget()) else { return Ok(()) };
        let mut each = Vec::new();
        path.each(&document, &budget(), |value| { each.push(value); Ok(()) }).unwrap();
        prop_assert_eq!(path.first(&document, &budget()).unwrap(), found.first().map(|(_, value)| *value));
        prop_assert_eq!(&each, &found.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        for (location, value) in &found {
            let at = location.iter().try_fold(&document, |at, ordinal| at.child(*ordinal as usize));
            prop_assert_eq!(at, Some(*value));
        }
    }

    #[test]
    fn slices_are_pythons(
        len in 0usize..40,
        start in prop::option::of(-50i64..50),
        end in prop::option::of(-50i64..50),
        step in prop::option::of(1usize..9),
    ) {
        let text = |number: Option<i64>| number.map_or(String::new(), |number| number.to_string());
        let step_text = step.map_or(String::new(), |step| format!(":{step}"));
        let path = format!("$[{}:{}{step_text}]", text(start), text(end));
        let within = |index: Option<i64>, default: i64| {
            let index = index.unwrap_or(default);
            let from_start = if index < 0 { index + len as i64 } else { index };
            from_start.clamp(0, len as i64)
        };
        let (start, end) = (within(start, 0), within(end, len as i64));
        let expected: Vec<i64> = (start..end).step_by(step.unwrap_or(1)).collect();
        let document: Value = (0..len).collect();
        prop_assert_eq!(results(&document, &path), json!(expected).to_string());
    }

    #[test]
    fn quoted_names_reach_any_member(name in "[^ ].*", quote in prop::sample::select(vec!['"', '\''])) {
        let escaped = name.replace('\\', "\\\\").replace(quote, &format!("\\{quote}"));
        let document = json!({ name: 1 });
        prop_assert_eq!(results(&document, &format!("$[{quote}{escaped}{quote}]")), "[1]");
    }

    /// Deleting in the order given leaves what no match was, or was within.
    #[test]
    fn deletions_delete_all_matches(text in texts(), document in documents()) {
        let Ok(path) = Path::parse(&text) else { return Ok(()) };
        let Ok(deletions) = path.deletions(&document, &budget()) else { return Ok(()) };
        let matched = path.locations(&document, &budget()).unwrap();
        let within = |at: &Location| matched.iter().any(|location| at.starts_with(location));
        let expected = matched.iter().filter(|at| !within(&Location::from_slice(
            at.split_last().map_or(&[], |(_, parent)| parent),
        )) || at.is_empty()).count();
        prop_assert_eq!(deletions.len(), expected);
    }
}

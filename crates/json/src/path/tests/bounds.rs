//! Bounds of texts and of evaluations.
//!
//! Evaluations meet the bound of visits sooner here than in the server: see `budget`.

use crate::path::budget::{STEPS_MAX, TEXT_BYTES_MAX};
use serde_json::{Value, json};

use super::budget;
use crate::path::*;
use crate::view::Kind;

/// Arrays of a single element within each other, as deep as its number says.
#[derive(Clone, Copy)]
struct NestedArrays(u32);

impl<'a> View<'a> for NestedArrays {
    fn kind(self) -> Kind {
        if self.0 > 0 { Kind::Array } else { Kind::Null }
    }

    fn text(self) -> Option<&'a str> {
        None
    }

    fn len(self) -> usize {
        usize::from(self.0 > 0)
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        (ordinal < self.len()).then(|| NestedArrays(self.0 - 1))
    }

    fn member(self, _: &str) -> Option<(usize, Self)> {
        None
    }

    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        self.child(0).into_iter().map(|child| (None, child))
    }
}

fn count(path: &str, depth: u32) -> Result<usize, EvalError> {
    let mut count = 0;
    Path::parse(path)
        .unwrap()
        .each(NestedArrays(depth), &budget(), |_| {
            count += 1;
            Ok(())
        })?;
    Ok(count)
}

#[test]
fn documents_of_any_depth_are_walked_on_the_heap() {
    assert_eq!(count("$..*", 1_000_000), Ok(1_000_000));
    assert_eq!(count("$[?$==$]", 1_000_000), Ok(1));
}

#[test]
fn copies_of_deep_values_are_nothing() {
    let path = Path::parse("$.append($[*],1)").unwrap();
    assert_eq!(path.results(NestedArrays(100), &budget()).unwrap().len(), 3);
    let path = Path::parse("$.append($~,1)").unwrap();
    assert_eq!(
        path.results(NestedArrays(1000), &budget()).unwrap().len(),
        3
    );
    let path = Path::parse("$.append($..[0])").unwrap();
    assert_eq!(path.results(NestedArrays(100), &budget()).unwrap().len(), 2);
    assert_eq!(
        path.results(NestedArrays(1000), &budget()).unwrap().len(),
        0
    );
}

#[test]
fn work_that_grows_with_the_square_of_the_document_ends_with_an_error() {
    assert_eq!(count("$..*..*", 30_000), Err(EvalError::TooMuchWork));
    assert_eq!(
        count("$..[?@..[9]==1]", 30_000),
        Err(EvalError::TooMuchWork)
    );
    assert_eq!(count("$..[?@==$[0]]", 30_000), Err(EvalError::TooMuchWork));
    let path = Path::parse("$..*").unwrap();
    assert_eq!(
        path.locations(NestedArrays(30_000), &budget()),
        Err(EvalError::TooMuchWork)
    );
}

#[test]
fn long_texts_cost_visits_each_time_they_are_read() {
    let document = json!(vec![json!("x".repeat(1 << 17)); 1500]);
    for condition in ["length(@)>1", "@==$[1]", "@=~'y'", "concat(@,'')=='x'"] {
        let path = Path::parse(&format!("$[?{condition}]")).unwrap();
        assert_eq!(
            path.find(&document, &budget()).unwrap_err(),
            EvalError::TooMuchWork,
            "{condition}"
        );
    }
    let patterns: Value = (0..1500).map(|number| number.to_string()).collect();
    let path = Path::parse("$[?@=~@]").unwrap();
    assert_eq!(
        path.find(&patterns, &budget()).unwrap_err(),
        EvalError::TooMuchWork
    );
}

#[test]
fn pairs_of_several_values_are_paid_for() {
    let document = json!(vec![vec![0; 500]; 500]);
    let path = Path::parse("$[?@[*]==@[*]]").unwrap();
    assert!(
        path.find(&document, &budget()).is_ok(),
        "the first pair is equal"
    );
    let path = Path::parse("$[?@[*]>@[*]]").unwrap();
    assert_eq!(
        path.find(&document, &budget()).unwrap_err(),
        EvalError::TooMuchWork
    );
}

#[test]
fn the_deepest_path_that_parses_evaluates_within_the_stack() {
    let deepest = |path: &dyn Fn(usize) -> String| {
        let texts = (1..400).map(path);
        let text = texts
            .take_while(|text| Path::parse(text).is_ok())
            .last()
            .unwrap();
        assert!(count(&text, 300).is_ok(), "{text}");
        text.len()
    };
    assert_eq!(
        deepest(&|steps| format!("${}", ".*".repeat(steps))),
        1 + 2 * STEPS_MAX
    );
    deepest(&|depth| format!("$..{}[0]{}", "[?@".repeat(depth), "]".repeat(depth)));
    deepest(&|depth| format!("$[?{}@{}]", "(".repeat(depth), ")".repeat(depth)));
    deepest(&|depth| format!("$[?{}@]", "!".repeat(depth)));
    deepest(&|depth| format!("$[?@=={}{}]", "[".repeat(depth), "]".repeat(depth)));
    deepest(&|depth| format!("$[?{}@{}]", "abs(".repeat(depth), ")".repeat(depth)));
    deepest(&|depth| format!("$[?@{}]", ".first()".repeat(depth)));
    deepest(&|depth| format!("$[?@=={}1{}]", "{'a':".repeat(depth), "}".repeat(depth)));
}

#[test]
fn texts_beyond_the_bounds_are_refused() {
    let name = "a".repeat(TEXT_BYTES_MAX - 2);
    assert!(Path::parse(&format!("$.{name}")).is_ok());
    assert_eq!(
        Path::parse(&format!("$.{name}b")).unwrap_err(),
        PathError::TooLong
    );
    let parentheses = format!("$[?{}", "(".repeat(TEXT_BYTES_MAX - 3));
    assert_eq!(Path::parse(&parentheses).unwrap_err(), PathError::TooDeep);
    let steps = "..*".repeat(1000);
    assert_eq!(
        Path::parse(&format!("${steps}")).unwrap_err(),
        PathError::TooManySteps
    );
    assert!(
        Path::parse(&format!("${}", ".a".repeat(30_000)))
            .unwrap()
            .is_static()
    );
}

#[test]
fn long_lists_of_conditions_and_operands_do_not_nest() {
    let sum = format!("$[?@ {}== 1]", "+ 1 ".repeat(10_000));
    let or = format!("$[?@{}]", "||@".repeat(10_000));
    assert_eq!(count(&sum, 3), Ok(0));
    assert_eq!(count(&or, 3), Ok(1));
}

#[test]
fn the_words_of_an_error_take_bounded_time() {
    for unit in [
        "[?@",
        "(",
        "[?(@==",
        "[",
        "[?!",
        "[?@==1&&(",
        "..",
        "{'a':[",
    ] {
        let text = format!("$.a{}", unit.repeat(30));
        assert!(Path::parse(&text).is_err(), "{text}");
        let text = format!("$[?{}", unit.repeat(10));
        assert!(Path::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn an_index_beyond_64_bits_is_an_error() {
    for text in [
        "$.a[99999999999999999999]",
        "$[-9223372036854775809]",
        "a[0,99999999999999999999]",
    ] {
        assert_eq!(
            Path::parse(text).unwrap_err(),
            PathError::IndexRange,
            "{text}"
        );
    }
    assert!(Path::parse("$[-9223372036854775808]").is_ok());
}

/// A value whose readers are counted: what a look-up passes, and each value that is looked at.
#[derive(Clone, Copy)]
struct CountedValue<'a>(&'a Value, &'a std::cell::Cell<u64>);

impl<'a> CountedValue<'a> {
    fn pay(self, work: usize) {
        self.1.set(self.1.get() + work as u64);
    }
}

impl<'a> View<'a> for CountedValue<'a> {
    fn kind(self) -> Kind {
        self.pay(1);
        View::kind(self.0)
    }

    fn text(self) -> Option<&'a str> {
        self.pay(1);
        View::text(self.0)
    }

    fn len(self) -> usize {
        View::len(self.0)
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        self.pay(1 + ordinal.min(1024) / 16);
        View::child(self.0, ordinal).map(|child| CountedValue(child, self.1))
    }

    fn member(self, name: &str) -> Option<(usize, Self)> {
        self.pay(1 + View::len(self.0).min(1024) / 16);
        View::member(self.0, name).map(|(ordinal, child)| (ordinal, CountedValue(child, self.1)))
    }

    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        View::children(self.0).map(move |(name, child)| {
            self.pay(1);
            (name, CountedValue(child, self.1))
        })
    }
}

/// Of each kind of step, operator and function, alone and within others: the work that a path does
/// is paid, whatever it is, up to a few looks at a value.
#[test]
fn all_work_is_paid() {
    const LOOKS: u64 = 12;
    let names: serde_json::Map<String, Value> =
        (0..800).map(|n| (format!("n{n}"), json!(n))).collect();
    let texts: Vec<Value> = (0..300)
        .map(|n| json!({"t": n.to_string(), "n": n, "l": [1, [n]]}))
        .collect();
    let documents = [
        json!({"wide": names, "many": texts}),
        json!(vec![json!(vec![1; 100]); 100]),
        json!([[[[[[[[[[1, 2], 3], 4], 5], 6], 7], 8], 9], 10], "x"]),
    ];
    let steps = [
        "[*]",
        "..*",
        "[0,0,0]",
        "[::1]",
        "..t",
        "['n1','n2','zz']",
        ".wide",
        "[-1]",
        ".many",
    ];
    let inner = [
        "@",
        "@.t",
        "$..n",
        "@..*",
        "$.wide.n799",
        "@[*]",
        "@.wide~",
        "$.many[*].t",
    ];
    let mut conditions = Vec::new();
    for left in inner {
        for right in inner {
            for operator in [
                "==", "<", "in", "subsetof", "anyof", "=~", "size", "+1==", "!=",
            ] {
                conditions.push(format!("{left} {operator} {right}"));
            }
        }
        for call in [
            "length", "count", "keys", "sum", "max", "stddev", "first", "last",
        ] {
            conditions.push(format!("{left}.{call}()>1"));
        }
        conditions.push(format!("{left}.append({left},$..*).length()>1"));
        conditions.push(format!("concat({left},{left})=='x'"));
        conditions.push(format!("match({left},'[a-z]+')"));
    }
    let many = vec!["@.zz==1"; 40].join("||");
    conditions.push(many);
    let mut paths: Vec<String> = Vec::new();
    for first in steps {
        for second in steps {
            paths.push(format!("${first}{second}{first}"));
        }
    }
    for first in ["[*]", "..*", ".many"] {
        for condition in &conditions {
            paths.push(format!("${first}[?({condition})]"));
        }
    }
    for text in &paths {
        let Ok(path) = Path::parse(text) else {
            continue;
        };
        for document in &documents {
            let work = std::cell::Cell::new(0);
            let budget = Budget::new(1 << 14);
            let _ = path.locations(CountedValue(document, &work), &budget);
            let paid = LOOKS * (budget.spent() + 200);
            assert!(work.get() <= paid, "{text}: {} for {paid}", work.get());
        }
    }
}

/// A path that begins at `$` was walked again for each value that the filter judges.
#[test]
fn a_condition_about_the_whole_document_is_judged_once() {
    let objects: Vec<Value> = (0..2000).map(|n| json!({"a": n})).collect();
    let document = json!({ "o": objects });
    let visits = |path: &str| {
        let budget = Budget::unlimited();
        let path = Path::parse(path).unwrap();
        let found = path.find(&document, &budget).unwrap();
        (found.len(), budget.spent())
    };
    for path in [
        "$.o[?($..a==3)]",
        "$.o[?(@.a>=0 && $..a==3)]",
        "$.o[?($..a)]",
        "$..[?($..a==3 && @.a>=0)]",
        "$.o[?(!($..a==-3))]",
    ] {
        let (found, spent) = visits(path);
        assert_eq!(found, 2000, "{path}");
        assert!(spent < 400_000, "{path}: {spent}");
    }
    assert_eq!(visits("$.o[?($..a==-3)]").0, 0);
}

//! The rules of paths, a table for each: a path, and its results.
//!
//! Most rows are answers of a Redis Stack 7.4; rows of functions, projections and the operators of
//! 8.10 follow the documentation of Redis.

use serde_json::{Value, json};

use super::table;

fn store() -> Value {
    json!({
        "a": [10, 11, 12, 13],
        "books": [
            {"price": 30, "tags": ["r", "s"], "title": "T"},
            {"price": 5.5, "tags": [], "title": "u'\"\\"},
            {"isbn": null},
        ],
        "b": {"x": 1, "y": {"x": 2}},
        "n": null,
    })
}

#[test]
fn names_and_indexes_reach_one_value() {
    table(
        &store(),
        &[
            ("$.b.x", "[1]"),
            ("$.b.y.x", "[2]"),
            ("$['b'][\"x\"]", "[1]"),
            ("$.['b'].x", "[1]"),
            ("$.a[0]", "[10]"),
            ("$.a[-1]", "[13]"),
            ("$.a.0", "[]"),
            ("$.a[4]", "[]"),
            ("$.b[0]", "[]"),
            ("$.n.x", "[]"),
            ("$.books[1].title", r#"["u'\"\\"]"#),
            ("$.a.length", "[]"),
        ],
    );
}

#[test]
fn a_negative_index_beyond_the_start_is_the_first_element() {
    table(
        &store(),
        &[("$.a[-11]", "[10]"), ("$.books[1].tags[-1]", "[]")],
    );
}

#[test]
fn unions_keep_order_and_repeats() {
    table(
        &store(),
        &[
            ("$.a[2,0,-1,2]", "[12,10,13,12]"),
            ("$.b['y','x','z']", r#"[{"x":2},1]"#),
            ("$.a[0,9]", "[10]"),
        ],
    );
}

#[test]
fn slices_are_pythons_with_positive_steps() {
    table(
        &store(),
        &[
            ("$.a[1:3]", "[11,12]"),
            ("$.a[:]", "[10,11,12,13]"),
            ("$.a[::2]", "[10,12]"),
            ("$.a[-2:]", "[12,13]"),
            ("$.a[:-3]", "[10]"),
            ("$.a[3:1]", "[]"),
            ("$.a[-9:99:3]", "[10,13]"),
            ("$.b[:]", "[]"),
            ("$.a[0::99999999999999999999]", "[10]"),
        ],
    );
}

#[test]
fn descent_visits_a_value_before_what_it_holds() {
    table(
        &json!({"a": [1, {"b": 2}], "c": {"b": 3}}),
        &[
            ("$..b", "[2,3]"),
            ("$..*", r#"[[1,{"b":2}],{"b":3},1,{"b":2},2,3]"#),
            ("$..[0]", "[1]"),
            ("$..['b']", "[2,3]"),
            ("$.c..b", "[3]"),
            ("$..a..b", "[2]"),
        ],
    );
}

#[test]
fn filters_judge_elements_and_members() {
    table(
        &store(),
        &[
            ("$.a[?(@>11)]", "[12,13]"),
            ("$.a[?@>11 && @<13]", "[12]"),
            ("$.a[?@==10||@==13]", "[10,13]"),
            ("$.b[?@==1]", "[1]"),
            ("$.books[?(@.price)].title", r#"["T","u'\"\\"]"#),
            ("$.books[?(@.isbn)]", r#"[{"isbn":null}]"#),
            ("$.books[?@.price>=30].price", "[30]"),
            ("$.books[?@.title=='T'].price", "[30]"),
            ("$.books[?@.title==\"u'\\\"\\\\\"].price", "[5.5]"),
            ("$.books[?@.price==$.books[0].price].title", r#"["T"]"#),
            ("$.n[?@]", "[]"),
            ("$.books[?(@.price>1)][?(@==30)]", "[30]"),
        ],
    );
}

#[test]
fn and_binds_stronger_than_or_and_not_than_both() {
    let document = json!([{"t": 1}, {"f": 1}, {"t": 1, "f": 1}, {}]);
    table(
        &document,
        &[
            ("$[?@.t||@.f&&@.x]", r#"[{"t":1},{"f":1,"t":1}]"#),
            ("$[?(@.t||@.f)&&@.f]", r#"[{"f":1},{"f":1,"t":1}]"#),
            ("$[?!@.t&&@.f]", r#"[{"f":1}]"#),
            ("$[?!(@.t||@.f)]", "[{}]"),
            ("$[?!!@.t]", r#"[{"t":1},{"f":1,"t":1}]"#),
            ("$[?!@.t==1]", r#"[{"f":1},{}]"#),
        ],
    );
}

#[test]
fn different_types_are_unequal_and_have_no_order() {
    let document = json!([1, 1.0, "1", true, null, [1], {"a": 1}]);
    table(
        &document,
        &[
            ("$[?@==1]", "[1,1.0]"),
            ("$[?@!=1]", r#"["1",true,null,[1],{"a":1}]"#),
            ("$[?@<2]", "[1,1.0]"),
            ("$[?@<'2']", r#"["1"]"#),
            ("$[?@>false]", "[true]"),
            ("$[?@<=null]", "[null]"),
            ("$[?@==[1]]", "[[1]]"),
            ("$[?@==[1.0]]", "[[1]]"),
            ("$[?@=={'a':1}]", r#"[{"a":1}]"#),
            ("$[?@==$[5]]", "[[1]]"),
            ("$[?@<[2]]", "[]"),
            ("$[?@.x!=1]", r#"[1,1.0,"1",true,null,[1],{"a":1}]"#),
            ("$[?@.x==@.y]", "[]"),
        ],
    );
}

#[test]
fn of_several_values_one_is_enough() {
    let document = json!([{"t": ["r", "s"]}, {"t": ["s", "q"]}]);
    table(
        &document,
        &[
            ("$[?@.t[*]=='r']", r#"[{"t":["r","s"]}]"#),
            ("$[?@.t[*]!='r']", r#"[{"t":["s","q"]}]"#),
            ("$[?@.t[*]>'r']", r#"[{"t":["r","s"]},{"t":["s","q"]}]"#),
            ("$[?@.t[*]=~'^q']", r#"[{"t":["s","q"]}]"#),
        ],
    );
}

#[test]
fn regular_expressions_match_parts_of_strings() {
    let document =
        json!([{"p": "^b", "s": "abc"}, {"p": "^b", "s": "bcd"}, {"s": 5}, {"s": "x.y"}]);
    table(
        &document,
        &[
            ("$[?@.s=~'b'].s", r#"["abc","bcd"]"#),
            ("$[?@.s=~@.p].s", r#"["bcd"]"#),
            ("$[?@.s=~'(?i)ABC'].s", r#"["abc"]"#),
            ("$[?@.s=~'x\\\\.y'].s", r#"["x.y"]"#),
            ("$[?@.s=~'b['].s", "[]"),
            ("$[?'abc'=~'b'].s", "[]"),
        ],
    );
}

#[test]
fn set_operators_compare_deeply() {
    let document = json!({"a": [1, 2.0, [3], "x"], "in": [2, [3.0]], "s": [[1, 2], [5], [], "ab"]});
    table(
        &document,
        &[
            ("$.a[?@ in [2,[3]]]", "[2.0,[3]]"),
            ("$.a[?@ in $.in]", "[2.0,[3]]"),
            ("$.a[?@ nin [2,[3]]]", r#"[1,"x"]"#),
            ("$.a[?@ in 2]", "[]"),
            ("$.s[?@ subsetof [1,2,3]]", "[[1,2],[]]"),
            ("$.s[?@ anyof [2,5]]", "[[1,2],[5]]"),
            ("$.s[?@ noneof [5]]", r#"[[1,2],[],"ab"]"#),
            ("$.s[?@ size 2]", r#"[[1,2],"ab"]"#),
            ("$.s[?@ sizeof 1.9]", "[[5]]"),
            ("$.s[?@ empty true]", "[[]]"),
            ("$.s[?@ empty false]", r#"[[1,2],[5],"ab"]"#),
            ("$.in", "[[2,[3.0]]]"),
            ("$.a[?@in [1]]", "[1]"),
        ],
    );
}

#[test]
fn arithmetic_wants_blanks_after_names_only() {
    let document = json!([{"a": 2, "b": 3, "a+1": 9}, {"a": 5, "b": 2}]);
    table(
        &document,
        &[
            ("$[?@.a + 1 == 3].a", "[2]"),
            ("$[?@.a+1 == 9].a", "[2]"),
            ("$[?@.a + @.b * 2 == 8].a", "[2]"),
            ("$[?(@.a + @.b) * 2 == 10].a", "[2]"),
            ("$[?@.a*2==4].a", "[2]"),
            ("$[?-@.a == -5].a", "[5]"),
            ("$[?@.a % 3 == 2].a", "[2,5]"),
            ("$[?@.a / 2 == 2.5].a", "[5]"),
            ("$[?@.a / 0 == 1].a", "[]"),
            ("$[?@.a - -1 == 3].a", "[2]"),
        ],
    );
    table(
        &json!([1, 2, 3]),
        &[("$[?@ + 1 == 3]", "[2]"), ("$[?@ * 2 > 4]", "[3]")],
    );
}

#[test]
fn lists_that_functions_make_have_a_length() {
    table(
        &json!([{"o": {"x": 1, "y": 2}}, {"o": {}}, {"o": 3}]),
        &[
            ("$[?@.o.keys() sizeof 2]", r#"[{"o":{"x":1,"y":2}}]"#),
            ("$[?@.o.keys() empty true]", r#"[{"o":{}},{"o":3}]"#),
        ],
    );
}

#[test]
fn projections_give_what_they_compute() {
    let document = json!({"a": 2, "arr": [1, 2, 3], "b": 4, "big": i64::MAX, "s": "xy"});
    table(
        &document,
        &[
            ("$.a + 1", "[3]"),
            ("$.a * $.b", "[8]"),
            ("($.a + $.b) / 2", "[3.0]"),
            ("-$.a", "[-2]"),
            ("$.a / 0", "[]"),
            ("$.s + 1", "[]"),
            ("$.big + 1", "[9.223372036854776e+18]"),
            ("$.arr.length()", "[3]"),
            ("length($.arr)", "[3]"),
            ("($.a)", "[2]"),
            ("($.arr[*])", "[1,2,3]"),
            ("$~", r#"["a","arr","b","big","s"]"#),
            ("$.arr~", "[]"),
            ("$.keys().count()", "[5]"),
            ("$.arr.append(9)", "[1,2,3,9]"),
            ("$.arr[*].append($.a)", "[1,2,3,2]"),
            ("$.arr.append($.arr[*])", "[1,2,3,[1,2,3]]"),
            ("$.s.append(1)", r#"["xy",1]"#),
            ("$.none.append(1)", "[1]"),
            ("$.arr.append($.none)", "[]"),
            ("$.arr.sum()", "[6.0]"),
            ("$.arr.append(9).sum()", "[15.0]"),
            ("$.arr.append(9).count()", "[4]"),
            ("$.keys().length()", "[5]"),
            ("$.keys().index(1)", r#"["arr"]"#),
            ("$.keys().sum()", "[]"),
            ("$.keys().value()", "[]"),
        ],
    );
}

#[test]
fn functions_answer_nothing_for_other_arguments() {
    let document = json!({
        "e": [], "f": [-1.5, 2], "m": [1, "x"], "min": i64::MIN, "n": [3, 1, 2], "o": {"k": 1},
        "s": "añb",
    });
    table(
        &document,
        &[
            ("length($.s)", "[3]"),
            ("length($.o)", "[1]"),
            ("length($.f[0])", "[]"),
            ("length($.n,$.n)", "[]"),
            ("count($.n[*])", "[3]"),
            ("count($.none)", "[0]"),
            ("value($.n[*])", "[]"),
            ("value($.n)", "[[3,1,2]]"),
            ("match($.s,'a.b')", "[true]"),
            ("match($.s,'a')", "[false]"),
            ("search($.s,'a')", "[true]"),
            ("concat($.s,'!')", r#"["añb!"]"#),
            ("concat($.s,1)", "[]"),
            ("$.f[0].abs()", "[1.5]"),
            ("$.f[0].ceiling()", "[-1.0]"),
            ("$.f[0].floor()", "[-2.0]"),
            ("abs($.min)", "[]"),
            ("$.n.first()", "[3]"),
            ("$.n.last()", "[2]"),
            ("$.n.index(-2)", "[1]"),
            ("$.n.index(1.9)", "[1]"),
            ("$.n.index(3)", "[]"),
            ("$.n.index(-4)", "[]"),
            ("$.e.first()", "[]"),
            ("$.n.min()", "[1.0]"),
            ("$.n.max()", "[3.0]"),
            ("$.n.avg()", "[2.0]"),
            ("stddev([1,3])", "[1.0]"),
            ("$.n.stddev()", "[0.816496580927726]"),
            ("$.e.sum()", "[]"),
            ("$.m.sum()", "[]"),
            ("$.f.sum()", "[0.5]"),
            ("$.n.nosuch()", "[]"),
            ("$.n.append(1).length()", "[4]"),
            ("$.o.keys().value()", r#"["k"]"#),
            ("$.n.append(1).last()", "[1]"),
            ("subsetof($.n,[1,2,3])", "[true]"),
        ],
    );
}

#[test]
fn examples_of_the_documentation_of_redis_8_10() {
    let rows: &[(Value, &str, &str)] = &[
        (
            json!([{"a": 1, "b": 1}, {"b": 2}, {"a": 1}, {"c": 3}]),
            "$[?!@.a]",
            r#"[{"b":2},{"c":3}]"#,
        ),
        (
            json!([{"a": 1, "b": 1}, {"b": 2}, {"a": 1}]),
            "$[?!(@.a==1)]",
            r#"[{"b":2}]"#,
        ),
        (
            json!([{"a": 1, "b": 1}, {"b": 2}, {"a": 1}]),
            "$[?!@.a && @.b]",
            r#"[{"b":2}]"#,
        ),
        (
            json!([[1], [2], [1, 2], [1, [2]]]),
            "$[?(@ == [1,[2]])]",
            "[[1,[2]]]",
        ),
        (
            json!([{"x": 1}, {"x": 2}, {"y": 1}]),
            "$[?(@ == {\"x\":1})]",
            r#"[{"x":1}]"#,
        ),
        (
            json!([[1, 9], [8, 9], []]),
            "$[?@ anyof [1,2,3]]",
            "[[1,9]]",
        ),
        (
            json!([[4, 5], [1, 9], []]),
            "$[?@ noneof [1,2,3]]",
            "[[4,5],[]]",
        ),
        (
            json!([[], [1], "", [2, 3], {}, {"k": 1}]),
            "$[?@ empty true]",
            r#"[[],"",{}]"#,
        ),
        (
            json!([[], [1], "", {}, {"k": 1}]),
            "$[?@ empty false]",
            r#"[[1],{"k":1}]"#,
        ),
        (
            json!([[1, 2, 3], [1], "abcd", "x"]),
            "$[?length(@) > 2]",
            r#"[[1,2,3],"abcd"]"#,
        ),
        (
            json!([{"a": 1, "b": 2, "c": 3}, {"a": 1}]),
            "$[?count(@.*) == 3].a",
            "[1]",
        ),
        (
            json!([{"a": 1}, {"a": 2}]),
            "$[?value(@.a) == 1]",
            r#"[{"a":1}]"#,
        ),
        (
            json!({"obj": {"x": 1, "y": 2}}),
            "$.obj.keys()",
            r#"["x","y"]"#,
        ),
        (
            json!({"obj": {"x": 1, "y": 2}}),
            "$.obj.keys().count()",
            "[2]",
        ),
        (
            json!(["abc", "xabc", "a", "b"]),
            r#"$[?match(@, "a.*")]"#,
            r#"["abc","a"]"#,
        ),
        (
            json!(["abc", "xyz", "b"]),
            r#"$[?search(@, "b")]"#,
            r#"["abc","b"]"#,
        ),
        (
            json!([{"x": "a", "y": "b"}, {"x": "a", "y": "c"}]),
            r#"$[?concat(@.x, @.y) == "ab"]"#,
            r#"[{"x":"a","y":"b"}]"#,
        ),
        (json!([2.1, 3.9, 1.0]), "$[?ceiling(@) == 3]", "[2.1]"),
        (json!([2.1, 2.9, 3.5]), "$[?floor(@) == 2]", "[2.1,2.9]"),
        (
            json!([{"n": -5}, {"n": 5}, {"n": -3}]),
            "$[?abs(@.n) == 5].n",
            "[-5,5]",
        ),
        (
            json!([{"n": [1, 2]}, {"n": [9, 8]}]),
            "$[?index(@.n, -1) == 2].n",
            "[[1,2]]",
        ),
        (
            json!([{"n": [3, 1, 2]}, {"n": [5, 6]}]),
            "$[?sum(@.n) == 6].n",
            "[[3,1,2]]",
        ),
        (
            json!({"books": [{"price": 30, "t": "a"}, {"price": 5, "t": "b"}]}),
            r#"$.books[?(@.price >= 10)].append({"t":"X"})"#,
            r#"[{"price":30,"t":"a"},{"t":"X"}]"#,
        ),
    ];
    for (document, path, expected) in rows {
        table(document, &[(path, expected)]);
    }
}

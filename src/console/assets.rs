//! The files of the console, embedded by `build.rs`.
//!
//!     console/*.js    stripped, joined into a few scripts      raw and gzip
//!     console/*.css   stripped                                 raw and gzip
//!
//! Invariant: `FILES` is sorted by name. A file is neither read nor compressed at run time: it
//! costs its bytes in the program, and [`find`] O(log files). `server::console` chooses raw or
//! gzip. The tests of `build/strip.rs` and `build/join.rs` are here, because a build script has
//! none.

/// One file.
#[derive(Debug)]
pub struct File {
    /// Its path below `console/`.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    pub raw: &'static [u8],
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The file with this name. O(log files).
pub fn find(name: &str) -> Option<&'static File> {
    let at = FILES.binary_search_by(|file| file.name.cmp(name)).ok()?;
    Some(&FILES[at])
}

#[cfg(test)]
#[path = "../../build/join.rs"]
mod join;
#[cfg(test)]
#[path = "../../build/strip.rs"]
mod strip;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use strip::Module;

    fn stripped(text: &str) -> Result<String, String> {
        strip::module("a.js", text).map(|module| module.body)
    }

    #[test]
    fn a_script_keeps_what_means_something() {
        for (text, want) in [
            (
                "const a = b + c;\n\n// gone\nf ( a );\n",
                "const a=b+c;f(a);\n",
            ),
            ("x = a + +b - -c / /d e/g.e;", "x=a+ +b- -c/ /d e/g.e;\n"),
            ("a /* gone */ in /b/ in c;", "a in/b/ in c;\n"),
            (
                "let a = 1 .x\nlet b\n++b\nreturn\nb",
                "let a=1 .x\nlet b\n++b\nreturn\nb\n",
            ),
            ("a\n  .b()\n  ?.c(\n    d,\n  )", "a.b()?.c(d,)\n"),
            ("s = '// a \\' b' + \"/* c\"", "s='// a \\' b'+\"/* c\"\n"),
            ("r = (a) / 2 + /[/'] \\/ b/.x", "r=(a)/2+/[/'] \\/ b/.x\n"),
            (
                "t = `a  b\n    <i> ${ {c: `d ${ e } //f`} }\\``",
                "t=`a  b\n<i> ${{c:`d ${e} //f`}}\\``\n",
            ),
        ] {
            assert_eq!(stripped(text).as_deref(), Ok(want));
        }
    }

    #[test]
    fn what_is_not_certain_stops_the_build() {
        for text in [
            "if (a) {} /b/.test(c)",
            "a = 'b\n",
            "a = `b ${c`",
            "/* a",
            "a = /b\n/",
            "import a from \"./b.js\";",
            "import {a as b} from \"./c.js\";",
            "export { a };",
            "export let a = 1;",
            "const { a: b } = c;",
        ] {
            assert!(stripped(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_style_keeps_spaces_of_selectors_and_values() {
        let text = "/* a */\na b > c, d:not(.e) { /* f */ margin: 1px  calc(1px + 2px);\n  g: \"h  ; i\"; }\n";
        let want = "a b>c,d:not(.e){margin:1px calc(1px + 2px);g:\"h  ; i\"}\n";
        assert_eq!(strip::style(text).as_deref(), Ok(want));
    }

    /// The files of these modules.
    fn joined(modules: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let scan = |&(name, text): &(&str, &str)| {
            let module = strip::module(name, text)?;
            Ok((name.to_owned(), module))
        };
        let all: Result<BTreeMap<String, Module>, String> = modules.iter().map(scan).collect();
        join::join(&all?)
    }

    #[test]
    fn a_module_is_in_the_file_of_the_only_view_that_uses_it() {
        let files = joined(&[
            (
                "app.js",
                "import { a } from \"./a.js\";\na(() => import(\"./v/x.js\"), () => import(\"./v/y.js\"));",
            ),
            (
                "a.js",
                "import { v } from \"./vendor/v.js\";\nexport function a() { v(); }",
            ),
            ("both.js", "export const both = 1;"),
            (
                "own.js",
                "import { both } from \"./both.js\";\nexport const it = both;",
            ),
            (
                "v/x.js",
                "import * as own from \"../own.js\";\nimport { v } from \"../vendor/v.js\";\nexport default v(own.it);",
            ),
            (
                "v/y.js",
                "import { both } from \"../both.js\";\nexport default both;",
            ),
        ]);
        let files = files.expect("joined");
        let want = [
            (
                "app.js",
                "import{v}from\"./vendor/v.js\";\nexport function a(){v();}\nexport const both=1;\n\
                 a(()=>import(\"./v/x.js\"),()=>import(\"./v/y.js\"));\n",
            ),
            (
                "v/x.js",
                "import{both}from\"../app.js\";\nimport{v}from\"../vendor/v.js\";\n\
                 export const it=both;\nconst own={it};\nexport default v(own.it);\n",
            ),
            (
                "v/y.js",
                "import{both}from\"../app.js\";\nexport default both;\n",
            ),
        ];
        let want = want.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files, BTreeMap::from(want));
    }

    #[test]
    fn modules_that_cannot_be_joined_stop_the_build() {
        for (text, why) in [
            (
                "import { b } from \"./b.js\";\nconst c = 1;",
                "declared twice",
            ),
            ("import { d } from \"./b.js\";", "does not export d"),
            (
                "import { b } from \"./b.js\";\nexport const e = 1;",
                "in a circle",
            ),
        ] {
            let other = match why {
                "in a circle" => "import { e } from \"./app.js\";\nexport const b = e;",
                _ => "const c = 1;\nexport const b = c;",
            };
            let said = joined(&[("app.js", text), ("b.js", other)]).expect_err(text);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn scripts_have_no_comments_and_no_types() {
        for file in FILES {
            let text = String::from_utf8_lossy(file.raw);
            if file.name.ends_with(".js") && !file.name.starts_with("vendor/") {
                assert!(!text.contains("/*"), "{}", file.name);
                assert!(text.starts_with("import{"), "{}", file.name);
            }
        }
    }

    /// The most that a browser loads if it opens every view; 28,000 bytes of it are vendored.
    const GZIP_BYTES_MAX: usize = 115 * 1000;

    #[test]
    fn all_files_together_are_small() {
        let all: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(all < GZIP_BYTES_MAX, "{all}");
    }

    #[test]
    fn the_page_names_its_files_by_their_hash() {
        let page = find("index.html").expect("there is a page");
        let text = std::str::from_utf8(page.raw).expect("UTF-8");
        assert!(!text.contains("a/HASH/"));
        assert_eq!(HASH.len(), 16);
        let start = format!("a/{HASH}/");
        let mut named = 0;
        for part in text.split(&start).skip(1) {
            let (name, _) = part.split_once('"').expect("a quoted path");
            assert!(find(name).is_some(), "{name}");
            named += 1;
        }
        assert!(named >= 5, "{named}");
        for file in FILES {
            assert_eq!(file.gzip[..4], [0x1f, 0x8b, 8, 0], "{}", file.name);
            assert_eq!(file.gzip[4..8], [0; 4], "no time in {}", file.name);
        }
    }
}

//! Functions are short enough to be read on a screen or two: a function that does several things in
//! turn calls a function for each.
//!
//! Counts the lines from `fn` to the closing brace, which rustfmt puts below the `fn`'s first
//! column. Tests are left out.

use crate::circles::is_test;
use crate::{Source, hold, sources};

/// No function has more lines.
const LINES_MAX: usize = 100;
/// A function with more lines usually has parts that deserve a name.
const LINES_USUAL: usize = 80;

/// How many functions have more than [`LINES_USUAL`] lines.
const LONG: usize = 16;

struct Function<'a> {
    name: &'a str,
    /// The number of the line with `fn`.
    at: usize,
    lines: usize,
}

/// The name of the function that a line begins.
fn begun(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(after) = rest.strip_prefix("pub") {
        rest = match after.strip_prefix('(') {
            Some(path) => path.split_once(')')?.1,
            None => after,
        };
        rest = rest.trim_start();
    }
    for word in ["default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name = rest.strip_prefix("fn ")?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

/// The functions with a body of several lines.
fn functions(text: &str) -> Vec<Function<'_>> {
    let text = text.split("#[cfg(test)]\nmod tests {").next();
    let lines: Vec<&str> = text.unwrap_or("").lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = begun(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        // The line that ends the head: a body, or the `;` of a trait's method.
        let is_end = |line: &&str| line.ends_with(['{', '}', ';']);
        let Some(head) = lines[at..].iter().position(is_end) else {
            continue;
        };
        if !lines[at + head].ends_with('{') {
            continue;
        }
        let is_last = |line: &&str| line.strip_prefix(indent) == Some("}");
        if let Some(body) = lines[at + head..].iter().position(is_last) {
            functions.push(Function {
                name,
                at: at + 1,
                lines: head + body + 1,
            });
        }
    }
    functions
}

/// The functions of the product with more lines.
fn longer_than(sources: &[Source], most: usize) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !is_test(source)) {
        let long = functions(&source.text).into_iter();
        for Function { name, at, lines } in long.filter(|function| function.lines > most) {
            places.push(format!("{}: {name}, {lines} lines", source.at(at)));
        }
    }
    places
}

#[test]
fn functions_are_at_most_100_lines() {
    let sources = sources(&["src", "crates"]);
    let places = longer_than(&sources, LINES_MAX);
    hold("functions are at most 100 lines", 0, &places);
    let places = longer_than(&sources, LINES_USUAL);
    hold("functions are at most 80 lines, mostly", LONG, &places);
}

#[test]
fn functions_are_counted_from_fn_to_brace() {
    let text = "\
trait Shape {
    fn area(
        &self,
    ) -> f64;
    fn name(&self) -> String;
    fn sides(&self) -> u8 { 4 }
}
impl Shape for Square {
    pub(in crate::shapes) const fn area(
        &self,
    ) -> f64 {
        let squared = {
            1.0
        };
        squared
    }
}
// fn comment() {
pub unsafe fn outer() {
    fn inner() {
        call();
    }
}
#[cfg(test)]
mod tests {
    fn helper() {
        call();
    }
}
";
    let counted = functions(text);
    let counted: Vec<_> = counted.iter().map(|f| (f.name, f.at, f.lines)).collect();
    assert_eq!(
        counted,
        [("area", 9, 8), ("outer", 19, 5), ("inner", 20, 3)]
    );
}

//! A query as FT.EXPLAIN shows it: a line for each part, two blanks for each level.
//!
//! Source: FT.EXPLAIN of Redis Stack 7.4; numbers are as C's `%g` and `%f` print them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::tree::{Fields, Kind, Node, Reach, VectorQuery};
use super::{Schema, unescaped};
use crate::text::in_small_letters;
use russet_base::numbers::general;

/// Bytes of an explanation, because a part deep down takes two blanks for each level above it.
const EXPLAINED_MAX: usize = 32 << 20;

/// The tree of a query, a line for each part, of which each ends with a newline.
pub fn explain(query: Option<&Node>, schema: &dyn Schema) -> Vec<u8> {
    explain_with(query, schema, &|_| None)
}

/// The same; `note` has the text at the end of a part's first line.
pub fn explain_with(
    query: Option<&Node>,
    schema: &dyn Schema,
    note: &dyn Fn(&Node) -> Option<String>,
) -> Vec<u8> {
    let mut out = Vec::new();
    match query {
        None => out.extend_from_slice(b"<empty>\n"),
        Some(node) => ExplainPrinter { schema, note }.part(node, node, 0, &mut out),
    }
    if out.len() > EXPLAINED_MAX {
        out.truncate(EXPLAINED_MAX);
        out.extend_from_slice(b"...\n");
    }
    out
}

/// How parts are shown.
#[derive(Clone, Copy)]
struct ExplainPrinter<'s> {
    schema: &'s dyn Schema,
    note: &'s dyn Fn(&Node) -> Option<String>,
}

fn indent(depth: usize, out: &mut Vec<u8>) {
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

fn text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut written = String::new();
    // Writing to a String does not fail.
    let _ = written.write_fmt(text);
    out.extend_from_slice(written.as_bytes());
}

/// `%f` of C.
fn fixed(n: f64) -> String {
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    format!("{n:.6}")
}

fn names(fields: Fields, schema: &dyn Schema, out: &mut Vec<u8>) {
    if fields == Fields::ALL {
        return;
    }
    out.push(b'@');
    let all = schema.text_fields();
    let named: Vec<&[u8]> = (0..all.len())
        .filter(|bit| fields.0 & (1 << bit) != 0)
        .map(|bit| all[bit])
        .collect();
    if named.is_empty() {
        out.extend_from_slice(b"NULL");
    } else {
        out.extend_from_slice(&named.join(&b'|'));
    }
    out.push(b':');
}

impl ExplainPrinter<'_> {
    /// A part of the query, which `node` is or is shown as.
    fn part(self, of: &Node, node: &Node, depth: usize, out: &mut Vec<u8>) {
        if out.len() > EXPLAINED_MAX {
            return;
        }
        indent(depth, out);
        let has_own_field = matches!(node.kind, Kind::Near { .. } | Kind::Range { .. });
        if !has_own_field || node.fields == Fields(0) {
            names(node.fields, self.schema, out);
        }
        match &node.kind {
            Kind::Word(word) => {
                out.extend_from_slice(if word.is_empty() { b"\"\"" } else { word });
                if node.weight != 1.0 {
                    text(
                        out,
                        format_args!(" => {{$weight: {};}}", general(node.weight, 6)),
                    );
                }
                return self.end_line(of, out);
            }
            Kind::Expanded(term) => out.extend([term.as_slice(), b"(expanded)"].concat()),
            Kind::Everything => out.extend_from_slice(b"<WILDCARD>"),
            Kind::Intersect { is_exact, .. } => {
                let opening: &[u8] = if *is_exact {
                    b"EXACT {"
                } else {
                    b"INTERSECT {"
                };
                self.block(of, depth, opening, out);
            }
            Kind::Union(_) => self.block(of, depth, b"UNION {", out),
            Kind::Not(_) => self.block(of, depth, b"NOT{", out),
            Kind::Optional(_) => self.block(of, depth, b"OPTIONAL{", out),
            Kind::Tag { field, .. } => {
                let opening = [b"TAG:@", field.as_slice(), b" {"].concat();
                self.block(of, depth, &opening, out);
            }
            Kind::Affix {
                text,
                leading,
                trailing,
            } => {
                let name: &[u8] = match (leading, trailing) {
                    (true, true) => b"INFIX{*",
                    (true, false) => b"SUFFIX{*",
                    _ => b"PREFIX{",
                };
                out.extend_from_slice(name);
                out.extend_from_slice(text);
                out.extend_from_slice(if *trailing { b"*}" } else { b"}" });
            }
            Kind::Pattern(pattern) => out.extend([b"WILDCARD{", pattern.as_slice(), b"}"].concat()),
            Kind::Fuzzy { text, .. } => out.extend([b"FUZZY{", text.as_slice(), b"}"].concat()),
            Kind::Range { field, range } => {
                let sign = |with: bool| if with { "<=" } else { "<" };
                text(
                    out,
                    format_args!("NUMERIC {{{} {} @", fixed(range.min), sign(range.with_min)),
                );
                out.extend_from_slice(field);
                text(
                    out,
                    format_args!(" {} {}}}", sign(range.with_max), fixed(range.max)),
                );
            }
            Kind::Near { field, circle } => {
                out.extend([b"GEO ", field.as_slice()].concat());
                let (x, y) = (fixed(circle.longitude), fixed(circle.latitude));
                let (radius, unit) = (fixed(circle.radius), circle.unit.name());
                text(out, format_args!(":{{{x},{y} --> {radius} {unit}}}"));
            }
            Kind::Shape {
                relation,
                text: wkt,
                ..
            } => {
                text(out, format_args!("GEOSHAPE{{{} ", *relation as u8 + 1));
                out.extend_from_slice(wkt);
                out.push(b'}');
            }
            Kind::Missing(field) => out.extend([b"ISMISSING{", field.as_slice(), b"}"].concat()),
            Kind::Vector(query) => self.vector(of, query, depth, out),
        }
        attributes(node, out);
        if has_lines(node) {
            out.push(b'\n');
        } else {
            self.end_line(of, out);
        }
    }

    /// The end of a part's first line.
    fn end_line(self, node: &Node, out: &mut Vec<u8>) {
        if let Some(note) = (self.note)(node) {
            out.push(b' ');
            out.extend_from_slice(note.as_bytes());
        }
        out.push(b'\n');
    }

    /// The parts of a node, each on separate lines, and the brace after them.
    fn block(self, node: &Node, depth: usize, opening: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(opening);
        self.end_line(node, out);
        let folds = match &node.kind {
            Kind::Tag { field, .. } => self.schema.folds_tags(field),
            _ => false,
        };
        for part in node.parts() {
            let mut shown = Cow::Borrowed(part);
            if folds {
                fold(shown.to_mut());
            }
            self.part(part, &shown, depth + 1, out);
        }
        indent(depth, out);
        out.push(b'}');
    }

    fn vector(self, node: &Node, query: &VectorQuery, depth: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"VECTOR {");
        if let Some(filter) = &query.filter {
            self.end_line(node, out);
            self.part(filter, filter, depth + 1, out);
            indent(depth, out);
            out.extend_from_slice(b"} => {");
        }
        let name = String::from_utf8_lossy(&query.vector_name).into_owned();
        match query.reach {
            Reach::Nearest(k) => text(out, format_args!("K={k} nearest vectors to `${name}`")),
            Reach::Within(radius) => text(
                out,
                format_args!(
                    "Vectors that are within {} distance radius from `${name}`",
                    general(radius, 6)
                ),
            ),
        }
        out.extend_from_slice(b" in vector index associated with field @");
        out.extend_from_slice(&query.field);
        for (option, value) in &query.options {
            out.extend([b", ", option.as_slice(), b" = ", value.as_slice()].concat());
        }
        if let Some(field) = &node.distance_field {
            out.extend([b", yields distance as `", field.as_slice(), b"`"].concat());
        }
        out.push(b'}');
    }
}

/// Whether a part has several lines.
fn has_lines(node: &Node) -> bool {
    match &node.kind {
        Kind::Vector(query) => query.filter.is_some(),
        Kind::Intersect { .. }
        | Kind::Union(_)
        | Kind::Not(_)
        | Kind::Optional(_)
        | Kind::Tag { .. } => true,
        _ => false,
    }
}

/// A tag as the field has it.
fn fold(tag: &mut Node) {
    match &mut tag.kind {
        Kind::Word(text) => *text = in_small_letters(&unescaped(text)),
        Kind::Affix { text, .. } => *text = in_small_letters(text),
        _ => {}
    }
}

fn attributes(node: &Node, out: &mut Vec<u8>) {
    let mut said = String::new();
    if node.weight != 1.0 {
        let _ = write!(said, " $weight: {};", general(node.weight, 6));
    }
    if let Some(slop) = node.slop {
        let _ = write!(said, " $slop: {slop};");
    }
    if node.in_order || node.slop.is_some() {
        let _ = write!(said, " $inorder: {};", node.in_order);
    }
    if !said.is_empty() {
        text(out, format_args!(" => {{{said} }}"));
    }
}

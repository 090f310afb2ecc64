//! Scripts and styles without what only readers need: comments, indentation, whitespace between
//! tokens. Names stay, so that an error's text can be understood.
//!
//! This is a scanner, no parser. It knows comments, strings, templates and regular expressions, and
//! keeps all other tokens in their order; of a module it takes the imports out and notes the names
//! at the top. What it cannot decide is an error, which fails the build: a slash after `}` (a
//! division or a regular expression), and forms of import and export that the console does not use.

/// A piece of a script that stays together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// A string, a template or a regular expression.
    Literal,
    /// One character of punctuation.
    Mark,
}

/// A script that is a module.
#[derive(Debug, Default)]
pub struct Module {
    /// Its path below the folder of all.
    pub name: String,
    /// Without its imports.
    pub body: String,
    pub imports: Vec<Import>,
    /// Modules that it loads when they are needed. In the body their paths begin with [`LATER`].
    pub later: Vec<String>,
    /// The names at the top, and those of them that are exported.
    pub declared: Vec<String>,
    pub exported: Vec<String>,
}

/// `import {a, b} from "./c.js"` or `import * as c from "./c.js"`.
#[derive(Debug)]
pub struct Import {
    pub from: String,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Names(Vec<String>),
    All(String),
}

/// In a body: the path of a module to be loaded later, below the folder of all.
pub const LATER: &str = "import(\"@";

/// Scans a module. The error is what is not certain.
pub fn module(name: &str, text: &str) -> Result<Module, String> {
    let mut scanner = Scanner {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        last: None,
        last_from: 0,
        is_exported: false,
        module: Module {
            name: name.into(),
            ..Module::default()
        },
    };
    scanner.code(false)?;
    scanner.out.push('\n');
    let mut module = scanner.module;
    module.body = scanner.out;
    Ok(module)
}

/// The path that `path` names in the module `name`.
fn resolve(name: &str, path: &str) -> Result<String, String> {
    let mut folders: Vec<&str> = name.split('/').collect();
    folders.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                folders.pop().ok_or("a path out of the folder")?;
            }
            _ => folders.push(part),
        }
    }
    Ok(folders.join("/"))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// The last piece: its kind, and where it begins in `out`.
    last: Option<Kind>,
    last_from: usize,
    /// `export` stands before what comes.
    is_exported: bool,
    module: Module,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn last(&self) -> &str {
        &self.out[self.last_from..]
    }

    /// Code to the end of the text, or of the brace that a template has opened.
    fn code(&mut self, is_nested: bool) -> Result<(), String> {
        let mut depth = 0;
        loop {
            let gap = self.gap()?;
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return if is_nested {
                    Err("a template without an end".into())
                } else {
                    Ok(())
                };
            };
            let (kind, len) = match first {
                '}' if is_nested && depth == 0 => return Ok(()),
                '"' | '\'' => (Kind::Literal, quoted(rest, first)?),
                '`' => (Kind::Literal, 0),
                '/' if self.begins_regex()? => (Kind::Literal, regex(rest)?),
                _ if is_word(first) => {
                    (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
                }
                _ => (Kind::Mark, first.len_utf8()),
            };
            let is_top = depth == 0 && !is_nested;
            match first {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            let piece = &rest[..len];
            if is_top {
                if piece == "import" && !rest[len..].trim_start().starts_with('(') {
                    self.import()?;
                    continue;
                }
                self.note(piece, kind)?;
            }
            self.separate(gap, first);
            let is_later = kind == Kind::Literal && self.out.ends_with("import(");
            self.last_from = self.out.len();
            if is_later {
                let path = resolve(&self.module.name, piece.trim_matches('"'))?;
                self.out.push_str(&format!("\"@{path}\""));
                self.module.later.push(path);
            } else {
                self.out.push_str(piece);
            }
            self.at += len;
            if first == '`' {
                self.template()?;
            }
            self.last = Some(kind);
        }
    }

    /// Takes an import out.
    fn import(&mut self) -> Result<(), String> {
        let (text, _) = self
            .rest()
            .split_once(';')
            .ok_or("an import without an end")?;
        self.at += text.len() + 1;
        let words = text.trim_start_matches("import").trim();
        let not_certain = || format!("an import of another form: {text}");
        let (what, path) = words.split_once(" from ").ok_or_else(not_certain)?;
        let path = path.trim().trim_matches('"');
        let list = what
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let what = match (list, what.strip_prefix("* as ")) {
            (Some(list), _) => {
                let names = list
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                What::Names(names.map(str::to_owned).collect())
            }
            (None, Some(name)) => What::All(name.into()),
            (None, None) => return Err(not_certain()),
        };
        let names = match &what {
            What::Names(names) => names,
            What::All(name) => std::slice::from_ref(name),
        };
        if names.iter().any(|name| !name.chars().all(is_word)) {
            return Err(not_certain());
        }
        let from = resolve(&self.module.name, path)?;
        self.module.imports.push(Import { from, what });
        Ok(())
    }

    /// Notes a name that a piece at the top declares.
    fn note(&mut self, piece: &str, kind: Kind) -> Result<(), String> {
        const DECLARE: [&str; 4] = ["function", "class", "const", "let"];
        let begins = DECLARE.contains(&self.last()) || self.last() == "function*";
        if piece == "export" {
            self.is_exported = true;
        } else if begins && piece != "*" {
            let not_certain = || format!("a declaration of another form: {piece}");
            if self.is_exported && self.last() == "let" {
                return Err(not_certain());
            }
            let list = match piece {
                "{" | "[" => self.rest()[1..].split(['}', ']']).next().unwrap_or(""),
                _ => piece,
            };
            for name in list.split(',').map(str::trim) {
                if name.is_empty() || !name.chars().all(is_word) {
                    return Err(not_certain());
                }
                self.module.declared.push(name.into());
                if self.is_exported {
                    self.module.exported.push(name.into());
                }
            }
            self.is_exported = false;
        } else if piece == "default" {
            self.is_exported = false;
        } else if self.is_exported && kind != Kind::Word {
            return Err("an export of another form".into());
        }
        Ok(())
    }

    /// Skips whitespace and comments; whether there was any, and a line's end in it.
    fn gap(&mut self) -> Result<Gap, String> {
        let mut gap = Gap::None;
        loop {
            let rest = self.rest();
            let len = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or("a comment without an end")? + 2
            } else {
                rest.len() - rest.trim_start().len()
            };
            if len == 0 {
                return Ok(gap);
            }
            gap = gap.max(if rest[..len].contains('\n') {
                Gap::Line
            } else {
                Gap::Space
            });
            self.at += len;
        }
    }

    /// Writes what must stay of a gap before `next`.
    fn separate(&mut self, gap: Gap, next: char) {
        let Some(before) = self.out.chars().next_back() else {
            return;
        };
        let ends_regex = self.last == Some(Kind::Literal) && before == '/';
        let is_needed = match gap {
            Gap::None => return,
            // `a b`, `/a/ in b`, `+ +a`, `a / /b/`.
            Gap::Space => {
                is_word(next) && (is_word(before) || ends_regex)
                    || "+-/".contains(before) && before == next
            }
            // Where a statement may end without a semicolon.
            Gap::Line => {
                !"{([,;:?=&|*<>^%!~.".contains(before) && !"}]),;:?=&|*<>^%.".contains(next)
            }
        };
        // `1 .x` is none of a number with a fraction.
        let last = self.last();
        let is_needed = is_needed || next == '.' && last.starts_with(|c: char| c.is_ascii_digit());
        if is_needed {
            self.out.push(if gap == Gap::Line { '\n' } else { ' ' });
        }
    }

    /// Whether a slash begins a regular expression rather than divides.
    fn begins_regex(&self) -> Result<bool, String> {
        const BEFORE: [&str; 7] = ["return", "typeof", "case", "in", "of", "throw", "await"];
        let last = self.last();
        Ok(match self.last {
            None => true,
            Some(Kind::Literal) => false,
            Some(Kind::Word) => BEFORE.contains(&last),
            Some(Kind::Mark) if last == "}" => return Err("a slash after a brace".into()),
            Some(Kind::Mark) => !matches!(last, ")" | "]"),
        })
    }

    /// A template from its backquote. Of its own lines only the indentation goes.
    fn template(&mut self) -> Result<(), String> {
        self.at += 1;
        self.out.push('`');
        loop {
            let rest = self.rest();
            let first = rest.chars().next().ok_or("a template without an end")?;
            if rest.starts_with("${") {
                self.out.push_str("${");
                self.at += 2;
                self.last = None;
                self.code(true)?;
                self.out.push('}');
                self.at += 1;
                continue;
            }
            let len = match first {
                '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                '\n' => rest.len() - rest.trim_start().len(),
                _ => first.len_utf8(),
            };
            self.out.push_str(match first {
                '\n' => "\n",
                _ => &rest[..len],
            });
            self.at += len;
            if first == '`' {
                return Ok(());
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '@')
}

/// The length of a string with its quotes.
fn quoted(text: &str, quote: char) -> Result<usize, String> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => break,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a string without an end".into())
}

/// The length of a regular expression with its slashes; flags are the next word.
fn regex(text: &str) -> Result<usize, String> {
    let (mut is_escaped, mut is_class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => break,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => is_class = true,
            ']' => is_class = false,
            '/' if !is_class => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a regular expression without an end".into())
}

/// A style. Spaces within selectors and values mean something, those around `{};,>` and after a
/// colon do not, but in strings.
pub fn style(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' | '\'' => quoted(rest, first)?,
            '/' if rest.starts_with("/*") => {
                let end = rest.find("*/").ok_or("a comment without an end")?;
                rest = &rest[end + 2..];
                continue;
            }
            _ if first.is_whitespace() => {
                rest = rest.trim_start();
                let next = rest.chars().next().unwrap_or('}');
                let is_free = out.ends_with(['{', '}', ';', ',', '>', ':', '\n'])
                    || "{};,>".contains(next)
                    || rest.starts_with("/*")
                    || out.is_empty();
                if !is_free {
                    out.push(' ');
                }
                continue;
            }
            _ => first.len_utf8(),
        };
        if first == '}' && out.ends_with(';') {
            out.pop();
        }
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out.push('\n');
    Ok(out)
}

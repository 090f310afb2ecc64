//! Reads units and the joins between them, for both grammars.
//!
//! A unit binds to the part before it as strongly as the unit's first token. Open parts
//! (parentheses, `-`, `~`, a field, a join that waits for its right side) wait in a list, not on
//! the stack of the thread. Only the depth of the tree is bounded, because later walks of the tree
//! recurse.

use super::QueryError;
use super::lexer::Kind as Token;
use super::parser::{ParseResult, Parser};
use super::tree::{Fields, Kind, Node};

/// Nodes below each other. Stack 7.4 reads 250 nested conditions.
pub(super) const HEIGHT_MAX: u32 = 1024;

/// Levels that are open at a time; each takes some 250 bytes.
pub(super) const OPEN_MAX: usize = 1 << 16;

/// The most height of a unit of a grammar: a list of tags of several words.
const UNIT_HEIGHT: u32 = 3;

/// Where a part stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// The whole query.
    Whole,
    Inner,
    /// After a field: words alone, no other field.
    Words,
}

impl Place {
    fn inner(self) -> Place {
        if self == Place::Words {
            self
        } else {
            Place::Inner
        }
    }
}

/// How a grammar joins units, and how strong.
pub(super) struct Grammar {
    /// The strength of a token that begins a unit; `None`: it begins no unit.
    pub(super) strength: fn(&Parser<'_>, Place) -> Option<u8>,
    /// Reads a unit, or a mark that stands before a unit.
    pub(super) begin: fn(&mut Parser<'_>, Place) -> ParseResult<PartStart>,
    pub(super) union: u8,
    pub(super) neighbours: u8,
    pub(super) arrow: u8,
    /// Of the units that `-`, `~` and a field take.
    pub(super) negation: u8,
    pub(super) optional: u8,
    pub(super) field: u8,
}

/// The part that the next tokens begin.
pub(super) enum PartStart {
    Unit(Option<Node>),
    Group,
    Not,
    Optional,
    /// A field before words.
    Field(Fields),
}

/// A beginning that waits for a part.
enum Open {
    Group,
    Not,
    Optional,
    Field(Fields),
    Join(Join, Part),
}

/// Which of two parts a document must match.
#[derive(Clone, Copy)]
enum Join {
    Both,
    Either,
}

/// A beginning, and the place where it stands.
struct Level {
    open: Open,
    limit: u8,
    place: Place,
}

/// A part as far as it was read.
struct Part {
    node: Option<Node>,
    height: u32,
    /// Whether the empty text is among the part's words.
    has_empty: bool,
}

/// Reads units and the joins between them, up to the first token that binds to none of them; at the
/// whole query also to `=>[`.
pub(super) fn expression(
    p: &mut Parser<'_>,
    grammar: &Grammar,
    place: Place,
) -> ParseResult<Option<Node>> {
    let mut levels = Levels {
        open: Vec::new(),
        limit: 0,
        place,
    };
    loop {
        let begun = (grammar.begin)(p, levels.place)?;
        let (open, limit) = match begun {
            PartStart::Unit(node) => {
                let part = levels.joined(p, grammar, Part::unit(node))?;
                match part {
                    Some(part) => return Ok(part.node),
                    None => continue,
                }
            }
            PartStart::Group => (Open::Group, 0),
            PartStart::Not => (Open::Not, grammar.negation),
            PartStart::Optional => (Open::Optional, grammar.optional),
            PartStart::Field(fields) => (Open::Field(fields), grammar.field),
        };
        levels.open(open, limit)?;
    }
}

struct Levels {
    open: Vec<Level>,
    limit: u8,
    place: Place,
}

impl Levels {
    /// Reads the token after a part, and closes all that ends with the part. `None`: a unit is
    /// next; else the whole.
    fn joined(
        &mut self,
        p: &mut Parser<'_>,
        grammar: &Grammar,
        mut part: Part,
    ) -> ParseResult<Option<Part>> {
        loop {
            match p.peek() {
                Token::Arrow if grammar.arrow > self.limit => {
                    if self.place == Place::Whole && p.peek_after(1) == Token::OpenBracket {
                        return Ok(Some(part));
                    }
                    p.next();
                    p.attributes(&mut part.node)?;
                    continue;
                }
                Token::Or if grammar.union > self.limit => {
                    p.next();
                    self.open(Open::Join(Join::Either, part), grammar.union)?;
                    return Ok(None);
                }
                _ => {}
            }
            let strength = (grammar.strength)(p, self.place);
            if strength.is_some_and(|strength| strength > self.limit) {
                self.open(Open::Join(Join::Both, part), grammar.neighbours)?;
                return Ok(None);
            }
            let Some(level) = self.open.pop() else {
                return Ok(Some(part));
            };
            (self.limit, self.place) = (level.limit, level.place);
            part = self.closed(p, level.open, part)?;
        }
    }

    fn open(&mut self, open: Open, limit: u8) -> ParseResult<()> {
        if self.open.len() == OPEN_MAX {
            return Err(too_deep());
        }
        let inner = match open {
            Open::Field(_) => Place::Words,
            _ => self.place.inner(),
        };
        self.open.push(Level {
            open,
            limit: std::mem::replace(&mut self.limit, limit),
            place: std::mem::replace(&mut self.place, inner),
        });
        Ok(())
    }

    /// Joins a beginning with the part that follows it.
    fn closed(&mut self, p: &mut Parser<'_>, open: Open, part: Part) -> ParseResult<Part> {
        match open {
            Open::Group => {
                p.expect(Token::CloseParen)?;
                Ok(part)
            }
            Open::Not => part.within(Kind::Not),
            Open::Optional => part.within(Kind::Optional),
            Open::Field(fields) => Ok(part.restricted(p, fields)),
            Open::Join(join, left) => {
                self.place = self.place.inner();
                left.joined(join, part)
            }
        }
    }
}

impl Part {
    fn unit(node: Option<Node>) -> Part {
        let is_empty = |node: &Node| matches!(&node.kind, Kind::Word(word) if word.is_empty());
        Part {
            has_empty: node.as_ref().is_some_and(is_empty),
            height: UNIT_HEIGHT,
            node,
        }
    }

    fn of(node: Node, height: u32, has_empty: bool) -> ParseResult<Part> {
        if height > HEIGHT_MAX {
            return Err(too_deep());
        }
        Ok(Part {
            node: Some(node),
            height,
            has_empty,
        })
    }

    /// Puts the part into another node; an empty part stays empty.
    fn within(self, kind: fn(Box<Node>) -> Kind) -> ParseResult<Part> {
        match self.node {
            Some(node) => {
                let node = Node::new(kind(Box::new(node)));
                Part::of(node, self.height + 1, self.has_empty)
            }
            None => Ok(self),
        }
    }

    fn restricted(mut self, p: &mut Parser<'_>, fields: Fields) -> Part {
        if let Some(node) = &mut self.node {
            node.fields.0 &= fields.0;
            p.restricts = true;
            if fields != Fields(0) && self.has_empty && !p.schema.indexes_empty(fields) {
                p.note(|| EMPTY.to_vec());
            }
        }
        self
    }

    /// Joins two parts: in the left node if it is such a join and no field restricts it, else in a
    /// new node. If a part is empty, the other remains.
    fn joined(self, join: Join, right: Part) -> ParseResult<Part> {
        let has_empty = self.has_empty || right.has_empty;
        let (mut left, right_node) = match (self.node, right.node) {
            (Some(left), Some(right)) => (left, right),
            (Some(node), None) => return Part::of(node, self.height, has_empty),
            (None, node) => return Ok(Part { node, ..right }),
        };
        if left.fields == Fields::ALL
            && let Some(parts) = join.parts(&mut left)
        {
            parts.push(right_node);
            return Part::of(left, self.height.max(right.height + 1), has_empty);
        }
        let node = Node::new(join.of(vec![left, right_node]));
        Part::of(node, 1 + self.height.max(right.height), has_empty)
    }
}

impl Join {
    /// The parts of a node that is such a join.
    fn parts(self, node: &mut Node) -> Option<&mut Vec<Node>> {
        match (self, &mut node.kind) {
            (
                Join::Both,
                Kind::Intersect {
                    parts,
                    is_exact: false,
                },
            )
            | (Join::Either, Kind::Union(parts)) => Some(parts),
            _ => None,
        }
    }

    fn of(self, parts: Vec<Node>) -> Kind {
        match self {
            Join::Both => Kind::Intersect {
                parts,
                is_exact: false,
            },
            Join::Either => Kind::Union(parts),
        }
    }
}

/// The error that no text field indexes empty texts.
const EMPTY: &[u8] =
    b"Use `INDEXEMPTY` in field creation in order to index and query for empty strings";

fn too_deep() -> QueryError {
    let text = "Parser stack overflow. Try moving nested parentheses more to the left";
    QueryError(text.into())
}

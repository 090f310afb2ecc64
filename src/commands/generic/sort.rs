//! SORT, SORT_RO: the elements of a list, set or sorted set in order, by themselves or by
//! what other keys say of them.
//!
//! All texts (elements, and weights for ALPHA) are copied into one buffer, so that sorting
//! moves small records and lookups are free to expire keys.

use std::cmp::Ordering;

use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec, keys};
use crate::commands::{element, hash};
use crate::keyspace::{Class, Db};
use crate::resp::Args;
use crate::server::{Call, CommandResult, Spec};
use crate::types::{Container, End, Entry, Hash, List, Set, Type, Zset};

pub(super) const SORT: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::unknown(Access::READ).noted(
            "Keys that BY and GET patterns name follow from the elements, so they are unknown",
        ),
        KeySpec::unknown(Access::OW.union(Access::UPDATE))
            .noted("The word STORE may stand anywhere, so its key is unknown"),
    ],
    categories: Category::SET
        .union(Category::SORTEDSET)
        .union(Category::LIST)
        .union(Category::DANGEROUS),
    find_keys: Some(keys::sort),
    ..Spec::new("sort", sort)
};

pub(super) const SORT_RO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::unknown(Access::READ).noted(
            "Keys that BY and GET patterns name follow from the elements, so they are unknown",
        ),
    ],
    categories: Category::SET
        .union(Category::SORTEDSET)
        .union(Category::LIST)
        .union(Category::DANGEROUS),
    find_keys: Some(keys::sort_ro),
    ..Spec::new("sort_ro", sort_ro)
};

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA]
/// [STORE destination]`: the elements in order of the numbers that they are, or that the
/// keys named by `pattern` hold; with ALPHA of texts.
///
/// Reply: array of elements, or of what GET patterns find (null where nothing); with STORE
/// the length of the list that was stored. O(n log n), with a short LIMIT O(n).
fn sort(call: &mut Call<'_>) -> CommandResult {
    sort_generic(call, false)
}

/// `SORT_RO ...`: SORT without STORE.
fn sort_ro(call: &mut Call<'_>) -> CommandResult {
    sort_generic(call, true)
}

struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// BY a pattern without `*`: elements stay in their own order.
    unsorted: bool,
    get: Vec<Pattern<'a>>,
    limit: (i64, i64),
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, readonly: bool) -> Result<Options<'a>, CommandError> {
        let mut o = Options {
            by: None,
            unsorted: false,
            get: Vec::new(),
            limit: (0, -1),
            descending: false,
            alpha: false,
            store: None,
        };
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is(at, "ASC") {
                o.descending = false;
            } else if args.is(at, "DESC") {
                o.descending = true;
            } else if args.is(at, "ALPHA") {
                o.alpha = true;
            } else if args.is(at, "LIMIT") && left >= 2 {
                o.limit = (
                    element::index(args.at(at + 1))?,
                    element::index(args.at(at + 2))?,
                );
                at += 2;
            } else if !readonly && args.is(at, "STORE") && left >= 1 {
                o.store = Some(args.at(at + 1));
                at += 1;
            } else if args.is(at, "BY") && left >= 1 {
                let pattern = Pattern::parse(args.at(at + 1));
                // Once unsorted, a later BY does not change that.
                o.unsorted |= matches!(pattern, Pattern::Nothing | Pattern::Element);
                o.by = Some(pattern);
                at += 1;
            } else if args.is(at, "GET") && left >= 1 {
                o.get.push(Pattern::parse(args.at(at + 1)));
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(o)
    }

    /// The inclusive range of `len` elements that LIMIT leaves, as `(start, end)`; empty if
    /// `end` is less.
    fn range(&self, len: usize) -> (i64, i64) {
        let len = len as i64;
        let start = self.limit.0.clamp(0, len);
        let count = self.limit.1.clamp(-1, len);
        if start >= len {
            return (0, -1);
        }
        let end = if count < 0 { len } else { start + count };
        (start, end.min(len) - 1)
    }
}

/// Where BY and GET look: `#`, `prefix*suffix` or `prefix*suffix->field`.
enum Pattern<'a> {
    /// The element itself.
    Element,
    /// No `*`: there is nothing to be found.
    Nothing,
    Key {
        prefix: &'a [u8],
        suffix: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr::memchr2(b'*', 0, text).filter(|&at| text[at] == b'*') else {
            return Pattern::Nothing;
        };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        // An arrow with nothing behind it belongs to the key.
        let arrow = memchr::memmem::find(rest, b"->").filter(|&at| at + 2 < rest.len());
        let (suffix, field) = match arrow {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        Pattern::Key {
            prefix,
            suffix,
            field,
        }
    }

    /// Calls `see` with what the pattern finds for an element; `None`: nothing. `key` is
    /// room for the key's name.
    fn look_up<R>(
        &self,
        db: &mut Db<'_>,
        element: &[u8],
        key: &mut Vec<u8>,
        see: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        let (prefix, suffix, field) = match self {
            Pattern::Element => return Some(see(Entry::Str(element))),
            Pattern::Nothing => return None,
            Pattern::Key {
                prefix,
                suffix,
                field,
            } => (prefix, suffix, field),
        };
        key.clear();
        for part in [prefix, element, suffix] {
            key.extend_from_slice(part);
        }
        let Some(name) = field else {
            let text = db.string(key).ok()??;
            let mut digits = itoa::Buffer::new();
            return Some(see(Entry::Str(text.text(&mut digits))));
        };
        let now = db.now_ms() as u64;
        let hash = db.read::<Hash>(key).ok()??;
        match hash.get(name)? {
            found if found.expired(now) => {
                hash::expire_field(db, key, name);
                None
            }
            found => Some(see(found.value)),
        }
    }
}

/// A text in the buffer.
#[derive(Clone, Copy)]
struct Text {
    at: usize,
    len: usize,
}

impl Text {
    fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.at..][..self.len]
    }

    fn copy(entry: Entry<'_>, buffer: &mut Vec<u8>) -> Text {
        let at = buffer.len();
        let mut digits = itoa::Buffer::new();
        buffer.extend_from_slice(entry.bytes(&mut digits));
        Text {
            at,
            len: buffer.len() - at,
        }
    }
}

#[derive(Clone, Copy)]
enum Weight {
    Score(f64),
    Text(Option<Text>),
}

/// An element and what it is sorted by.
#[derive(Clone, Copy)]
struct Item {
    text: Text,
    weight: Weight,
}

/// The elements on their way.
struct Sorting {
    buffer: Vec<u8>,
    items: Vec<Item>,
}

impl Sorting {
    fn add(&mut self, entry: Entry<'_>) {
        let text = Text::copy(entry, &mut self.buffer);
        let weight = match entry {
            Entry::Int(value) => Weight::Score(value as f64),
            Entry::Str(_) => Weight::Text(None),
        };
        self.items.push(Item { text, weight });
    }

    /// Loads the elements. Lists and sorted sets that are not to be sorted give only the
    /// range that is wanted, which then starts at 0; true if so.
    fn load(&mut self, db: &mut Db<'_>, key: &[u8], o: &Options<'_>) -> Result<bool, CommandError> {
        let kind = db.kind(key);
        let len = match kind {
            None => 0,
            Some(Type::List) => db.peek::<List>(key)?.map_or(0, |v| v.len()),
            Some(Type::Set) => db.peek::<Set>(key)?.map_or(0, |v| v.len()),
            Some(Type::Zset) => db.peek::<Zset>(key)?.map_or(0, |v| v.len()),
            Some(_) => return Err(CommandError::WrongType),
        };
        if len == 0 {
            return Ok(false);
        }
        let ordered = o.unsorted && kind != Some(Type::Set);
        let (first, count, backward) = if ordered {
            let (start, end) = o.range(len);
            let first = if o.descending {
                len as i64 - 1 - start
            } else {
                start
            };
            (first as usize, (end - start + 1) as usize, o.descending)
        } else {
            (0, len, false)
        };
        self.items.reserve_exact(count);
        match kind {
            Some(Type::List) => {
                if let Some(list) = db.peek::<List>(key)? {
                    list.visit(first, count, backward, |entry| {
                        self.add(entry);
                        true
                    });
                }
            }
            Some(Type::Zset) => {
                if let Some(mut zset) = db.write::<Zset>(key)? {
                    // Redis sorts only large sorted sets: OBJECT ENCODING tells.
                    zset.become_table();
                    zset.visit(first, count, backward, |_, entry| {
                        self.add(entry);
                        true
                    });
                }
            }
            _ => {
                if let Some(set) = db.peek::<Set>(key)? {
                    set.visit(|entry| {
                        self.add(entry);
                        true
                    });
                }
            }
        }
        Ok(ordered)
    }

    /// Finds what each element is sorted by; `false`: a text that should be a number.
    fn weigh(&mut self, db: &mut Db<'_>, by: Option<&Pattern<'_>>, alpha: bool) -> bool {
        let mut key = Vec::new();
        let mut numbers = true;
        let buffer = &mut self.buffer;
        let mut weights = Vec::new();
        for item in &mut self.items {
            item.weight = match (by, alpha) {
                (None, true) => Weight::Text(Some(item.text)),
                (Some(by), true) => {
                    let found = by.look_up(db, item.text.of(buffer), &mut key, |weight| {
                        let mut text = Text::copy(weight, &mut weights);
                        text.at += buffer.len();
                        text
                    });
                    Weight::Text(found)
                }
                (None, false) => match item.weight {
                    Weight::Score(_) => continue,
                    Weight::Text(_) => number(item.text.of(buffer), &mut numbers),
                },
                (Some(by), false) => {
                    let found = by.look_up(db, item.text.of(buffer), &mut key, |w| match w {
                        Entry::Int(value) => Weight::Score(value as f64),
                        Entry::Str(text) => number(text, &mut numbers),
                    });
                    found.unwrap_or(Weight::Score(0.0))
                }
            };
        }
        buffer.append(&mut weights);
        numbers
    }

    /// Puts the elements from `start` to `end` into their places. The order of equal weights
    /// is that of the elements' bytes, except among texts that BY found: they stay as
    /// they came.
    fn sort(&mut self, start: i64, end: i64, o: &Options<'_>) {
        let Sorting { buffer, items } = self;
        let text = |t: Text| t.of(buffer);
        let compare = |a: &Item, b: &Item| {
            let order = match (a.weight, b.weight) {
                (Weight::Score(x), Weight::Score(y)) => x
                    .partial_cmp(&y)
                    .unwrap_or(Ordering::Equal)
                    .then_with(|| text(a.text).cmp(text(b.text))),
                (Weight::Text(x), Weight::Text(y)) => x.map(text).cmp(&y.map(text)),
                _ => unreachable!("all weights are of one kind"),
            };
            if o.descending { order.reverse() } else { order }
        };
        if end < start {
            return;
        }
        if o.alpha && o.by.is_some() {
            items.sort_by(compare);
            return;
        }
        // The order is total, so a short range can be cut out before it is sorted.
        let (start, end) = (start as usize, end as usize);
        let mut part = &mut items[..];
        if end + 1 < part.len() {
            part.select_nth_unstable_by(end, compare);
            part = &mut part[..=end];
        }
        if start > 0 && start < part.len() {
            part.select_nth_unstable_by(start, compare);
        }
        part[start..].sort_unstable_by(compare);
    }
}

/// A text as a decimal number, up to a NUL byte: an empty one is 0, one that is too large
/// infinite.
fn number(text: &[u8], all: &mut bool) -> Weight {
    let text = text.split(|&b| b == 0).next().unwrap_or(text);
    let value = match str::from_utf8(text) {
        Ok("") => Some(0.0),
        Ok(text) => text.parse::<f64>().ok().filter(|value| !value.is_nan()),
        Err(_) => None,
    };
    *all &= value.is_some();
    Weight::Score(value.unwrap_or(0.0))
}

fn sort_generic(call: &mut Call<'_>, readonly: bool) -> CommandResult {
    let key = call.args.at(1);
    let mut o = Options::parse(call.args, readonly)?;
    if o.unsorted && o.store.is_some() && call.db.info(key).is_some_and(|i| i.kind == Type::Set) {
        // What is stored must not depend on a table's order.
        (o.unsorted, o.alpha, o.by) = (false, true, None);
    }
    let mut sorting = Sorting {
        buffer: Vec::new(),
        items: Vec::new(),
    };
    let cut = sorting.load(&mut call.db, key, &o)?;
    let (start, end) = if cut {
        (0, sorting.items.len() as i64 - 1)
    } else {
        o.range(sorting.items.len())
    };
    if !o.unsorted {
        if !sorting.weigh(&mut call.db, o.by.as_ref(), o.alpha) {
            const NO_NUMBER: &str = "ERR One or more scores can't be converted into double";
            return Err(CommandError::Text(NO_NUMBER));
        }
        sorting.sort(start, end, &o);
    }
    let picked = if end < start {
        &[][..]
    } else {
        &sorting.items[start as usize..=end as usize]
    };
    match o.store {
        None => reply(call, picked, &sorting.buffer, &o.get),
        Some(destination) => store(call, destination, picked, &sorting.buffer, &o.get),
    }
    Ok(())
}

fn reply(call: &mut Call<'_>, picked: &[Item], buffer: &[u8], get: &[Pattern<'_>]) {
    call.reply.array(picked.len() * get.len().max(1));
    let mut key = Vec::new();
    for item in picked {
        let text = item.text.of(buffer);
        if get.is_empty() {
            call.reply.bulk(text);
        }
        for pattern in get {
            let reply = &mut *call.reply;
            let found = pattern.look_up(&mut call.db, text, &mut key, |entry| {
                element::write(reply, entry);
            });
            if found.is_none() {
                call.reply.null();
            }
        }
    }
}

fn store(
    call: &mut Call<'_>,
    destination: &[u8],
    picked: &[Item],
    buffer: &[u8],
    get: &[Pattern<'_>],
) {
    let limits = *call.db.limits();
    let mut list = List::long(&limits);
    let mut push = |entry: Entry<'_>| {
        let mut digits = itoa::Buffer::new();
        let text = entry.bytes(&mut digits);
        list.push(End::Back, text);
    };
    let mut key = Vec::new();
    for item in picked {
        let text = item.text.of(buffer);
        if get.is_empty() {
            push(Entry::Str(text));
        }
        for pattern in get {
            let found = pattern.look_up(&mut call.db, text, &mut key, &mut push);
            if found.is_none() {
                push(Entry::Str(b""));
            }
        }
    }
    let len = list.len();
    if len > 0 {
        list.built(&limits);
        call.db.put(destination, list);
        call.db
            .changed_by(destination, len, Class::LIST, "sortstore");
    } else if call.db.delete(destination) {
        call.db.changed(destination, Class::GENERIC, "del");
    }
    call.reply.int(len as i64);
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    /// The bulk strings of a reply, nulls as `-`.
    fn words(reply: &str) -> String {
        let mut lines = reply.split("\r\n").skip(1);
        let mut out = Vec::new();
        while let Some(head) = lines.next() {
            match head {
                "" => break,
                "$-1" => out.push("-"),
                _ => out.push(lines.next().expect("a text")),
            }
        }
        out.join(" ")
    }

    #[test]
    fn numbers_texts_and_ranges() {
        let mut t = Testbed::new();
        t.run("RPUSH l 10 9 -1 1.5 1e2");
        assert_eq!(words(&t.run("SORT l")), "-1 1.5 9 10 1e2");
        assert_eq!(words(&t.run("SORT l DESC")), "1e2 10 9 1.5 -1");
        assert_eq!(words(&t.run("SORT l ALPHA")), "-1 1.5 10 1e2 9");
        assert_eq!(words(&t.run("SORT_RO l LIMIT 1 2")), "1.5 9");
        assert_eq!(words(&t.run("SORT l LIMIT 1 2 DESC")), "10 9");
        assert_eq!(words(&t.run("SORT l LIMIT -5 -9")), "-1 1.5 9 10 1e2");
        assert_eq!(t.run("SORT l LIMIT 9 2"), "*0\r\n");
        assert_eq!(t.run("SORT l LIMIT 1 0"), "*0\r\n");
        assert_eq!(t.run("SORT none"), "*0\r\n");
        assert_eq!(words(&t.run("SORT l BY nosort DESC LIMIT 1 2")), "1.5 -1");
    }

    #[test]
    fn keys_and_fields_give_weights_and_results() {
        let mut t = Testbed::new();
        t.run("RPUSH l a b c d");
        t.run("MSET w_a 3 w_b 1 w_c 2 name_a A name_c C");
        t.run("HSET h_a w 1 x ax");
        t.run("HSET h_b w 3");
        assert_eq!(words(&t.run("SORT l BY w_*")), "d b c a");
        assert_eq!(words(&t.run("SORT l BY h_*->w DESC")), "b a d c");
        assert_eq!(
            words(&t.run("SORT l BY w_* GET # GET name_* GET h_*->x GET none")),
            "d - - - b - - - c C - - a A ax -"
        );
        assert_eq!(words(&t.run("SORT l ALPHA BY name_*")), "b d a c");
        assert!(
            t.run("SORT l")
                .starts_with("-ERR One or more scores can't be")
        );
        assert!(
            t.run("SORT l BY name_*")
                .starts_with("-ERR One or more scores")
        );
    }

    #[test]
    fn stored_results_replace_and_empty_ones_delete() {
        let mut t = Testbed::new();
        t.run("SADD s b c a");
        t.run("SET d x");
        t.take_effects();
        assert_eq!(t.run("SORT s BY nosort STORE d"), ":3\r\n");
        assert_eq!(words(&t.run("LRANGE d 0 -1")), "a b c");
        assert_eq!(t.run("SORT s BY nosort GET none STORE d"), ":3\r\n");
        assert_eq!(t.run("LRANGE d 0 0"), "*1\r\n$0\r\n\r\n");
        assert_eq!(t.run("SORT none STORE d"), ":0\r\n");
        assert_eq!(t.run("LLEN d"), ":0\r\n");
        assert_eq!(t.run("SORT none STORE d"), ":0\r\n");
        assert_eq!(t.take_effects().len(), 3);
        assert_eq!(t.run("SORT_RO s STORE d"), "-ERR syntax error\r\n");
    }

    #[test]
    fn a_sorted_set_keeps_its_order_when_not_sorted() {
        let mut t = Testbed::new();
        t.run("ZADD z 3 c 1 a 2 b");
        assert_eq!(words(&t.run("SORT z BY nosort")), "a b c");
        assert_eq!(words(&t.run("SORT z BY nosort DESC LIMIT 0 2")), "c b");
        assert_eq!(words(&t.run("SORT z ALPHA DESC")), "c b a");
        assert_eq!(t.run("OBJECT ENCODING z"), "$8\r\nskiplist\r\n");
        t.run("SET string 1");
        assert!(t.run("SORT string").starts_with("-WRONGTYPE "));
        assert_eq!(t.run("SORT string NONSENSE"), "-ERR syntax error\r\n");
    }

    /// SORT saw past an expired field but left it, where Redis's readers of fields delete it.
    #[test]
    fn an_expired_field_goes_when_sort_meets_it() {
        let mut t = Testbed::new();
        t.run("RPUSH l 1 2");
        t.run("HSET w1 n 5 keep 1");
        t.run("HSET w2 n 4");
        for key in ["w1", "w2"] {
            t.run(&format!("HPEXPIRE {key} 10 FIELDS 1 n"));
        }
        t.advance_ms(20);
        assert_eq!(words(&t.run("SORT l BY w*->n GET w*->n GET #")), "- 1 - 2");
        assert_eq!(t.run("HLEN w1"), ":1\r\n");
        assert_eq!(t.run("EXISTS w2"), ":0\r\n");
    }

    #[test]
    fn texts_that_are_no_strict_numbers_are_refused() {
        for text in ["++1", "0x10", "1 ", "nan", "1e", ".", "one"] {
            let mut t = Testbed::new();
            t.run_args(&[b"RPUSH", b"l", b"1", text.as_bytes()]);
            assert!(t.run("SORT l").starts_with("-ERR One or more"), "{text}");
        }
        let mut t = Testbed::new();
        t.run_args(&[b"RPUSH", b"l", b"1e999", b"+1", b"", b"-inf"]);
        assert_eq!(
            t.run("SORT l"),
            "*4\r\n$4\r\n-inf\r\n$0\r\n\r\n$2\r\n+1\r\n$5\r\n1e999\r\n"
        );
    }
}

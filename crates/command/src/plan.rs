//! Where a row's keys are, worked out once from the row's key specs; all code that needs keys asks
//! the plan.
//!
//!   - The prefetch of a batch uses only the first spec, as far as the number of arguments or a key
//!     count determines it ([`KeyPlan::fixed_keys`]): a hint, since the line may be malformed.
//!   - Gates, the undo log and COMMAND GETKEYS need all keys ([`KeyPlan::keys`]). These keys come
//!     from the specs that COMMAND INFO shows, unless the row has a finder: if options name keys or
//!     decide their access, the finder reads the same words as the handler (`options`), because a
//!     spec's keyword may also be an operand or a key of that name.
//!
//! Cost: no allocation; O(1), or a pass over the arguments for keywords and finders.

use super::keys::{KeyRun, Keys, RUNS_MAX};
use super::{Access, BadKeys, BeginSearch, FindKeys, KeyExtent, KeySpec, Spec};
use russet_base::numbers::number;
use russet_resp::Args;

/// How the keys of a row are found.
#[derive(Clone, Copy, Debug)]
pub struct KeyPlan {
    specs: &'static [KeySpec],
    reported_by: ToldBy,
    ahead: Option<FixedKeys>,
    /// The key, if all forms of the command have exactly this key.
    only_key: Option<(u16, Access)>,
    /// The position of the only key, if its access depends on the arguments.
    only_key_at: Option<u16>,
}

/// Where the keys come from.
#[derive(Clone, Copy, Debug)]
enum ToldBy {
    NoKeys,
    Finder(FindKeys),
    Specs,
    /// The specs; for arguments that do not fit them, a loosely read count.
    SpecsOr(LooseCount),
}

/// A key count read as C reads an integer, and the destination that may precede it.
#[derive(Clone, Copy, Debug)]
struct LooseCount {
    count_at: u16,
    first: u16,
    step: u16,
    destination: Option<u16>,
}

/// The keys of a first spec that begins at a fixed position.
#[derive(Clone, Copy, Debug)]
struct FixedKeys {
    first: u16,
    step: u16,
    end: KeysEnd,
    access: Access,
}

/// Where the keys end.
#[derive(Clone, Copy, Debug)]
enum KeysEnd {
    /// After this argument.
    Last(u16),
    /// This many arguments before the end.
    Left(u16),
    /// After as many keys as this argument gives.
    Count(u16),
}

impl KeyPlan {
    /// The plan of a row. Panics if it has more specs of keys than a command line has runs.
    pub fn of<H>(spec: &Spec<H>) -> KeyPlan {
        let has = |flag| move |k: &KeySpec| k.access.contains(flag);
        let keys = spec.keys.iter().filter(|k| !has(Access::NOT_KEY)(k));
        assert!(keys.clone().count() <= RUNS_MAX, "{}: key specs", spec.name);
        let any = keys.clone().next().is_some();
        const NO_KEY: Access = Access::INCOMPLETE.union(Access::NOT_KEY);
        let one = match *spec.keys {
            [
                KeySpec {
                    access,
                    begin: BeginSearch::Index(at),
                    find: KeyExtent::Range { last: 0, .. },
                    ..
                },
            ] if !access.intersects(NO_KEY) => Some((at, access)),
            _ => None,
        };
        let only_key = one.filter(|(_, access)| !access.contains(Access::VARIABLE_FLAGS));
        KeyPlan {
            specs: spec.keys,
            only_key,
            only_key_at: one.map(|(at, _)| at),
            reported_by: match spec.find_keys {
                Some(find) => ToldBy::Finder(find),
                None if any => LooseCount::of(spec.keys).map_or(ToldBy::Specs, ToldBy::SpecsOr),
                None => ToldBy::NoKeys,
            },
            // If a spec is incomplete, the first may name an argument that is no key (MIGRATE).
            ahead: if spec.keys.iter().any(has(Access::INCOMPLETE)) {
                None
            } else {
                spec.keys.first().and_then(FixedKeys::of)
            },
        }
    }

    /// Whether the command can have keys at all.
    pub fn has_keys(&self) -> bool {
        !matches!(self.reported_by, ToldBy::NoKeys)
    }

    /// The position of the command's only key, if all forms of the command have exactly one key
    /// there; its access may depend on the arguments.
    #[inline]
    pub fn only_key_at(&self) -> Option<usize> {
        self.only_key_at.map(usize::from)
    }

    /// The key of a command that has a single key, at a fixed position.
    #[inline]
    pub fn only_key(&self) -> Option<(usize, Access)> {
        self.only_key.map(|(at, access)| (at.into(), access))
    }

    /// The keys among `args`, which include the command's name and fit its arity. Empty for a
    /// command without keys and if an optional part with keys is left out; `BadKeys` if the
    /// arguments do not have the command's form.
    pub fn keys(&self, args: Args<'_>) -> Result<Keys, BadKeys> {
        match self.reported_by {
            ToldBy::NoKeys => Ok(Keys::NONE),
            ToldBy::Finder(find) => find(args),
            ToldBy::Specs => by_specs(self.specs, args),
            ToldBy::SpecsOr(count) => by_specs(self.specs, args).or_else(|_| count.keys(args)),
        }
    }

    /// The keys of the first spec, as far as they are known without checking the arguments.
    #[inline]
    pub fn fixed_keys(&self, args: Args<'_>) -> KeyRun {
        match self.ahead {
            Some(ahead) => ahead.run(args),
            None => KeyRun::NONE,
        }
    }

    /// The channels among `args` that have slots as keys have; empty for a command without them.
    pub fn channels(&self, args: Args<'_>) -> KeyRun {
        let spec = self.specs.first();
        let spec = spec.filter(|spec| spec.access.contains(Access::NOT_KEY));
        spec.and_then(FixedKeys::located)
            .map_or(KeyRun::NONE, |ahead| ahead.run(args))
    }

    /// The first key, the last (negative: from the end) and the step, as in COMMAND INFO's three
    /// old fields: range specs as far as they are contiguous; zeros if there are none.
    pub fn old_range(&self) -> (i64, i64, i64) {
        if let [
            KeySpec {
                begin: BeginSearch::Index(first),
                find: KeyExtent::Range { last, step, .. },
                ..
            },
        ] = *self.specs
        {
            return (first.into(), absolute(first, last), step.into());
        }
        let mut range: Option<(i64, i64)> = None;
        let mut previous = 0;
        for spec in self.specs {
            let (BeginSearch::Index(first), KeyExtent::Range { last, step: 1, .. }) =
                (spec.begin, spec.find)
            else {
                continue;
            };
            if previous != 0 && previous != i64::from(first) - 1 {
                continue;
            }
            let last = absolute(first, last);
            let (from, to) = range.unwrap_or((i64::MAX, 0));
            // "From the end" exceeds every position when compared as unsigned.
            let to = if last as u64 > to as u64 { last } else { to };
            range = Some((from.min(first.into()), to));
            previous = to;
        }
        range.map_or((0, 0, 0), |(first, last)| (first, last, 1))
    }

    /// Whether the old range misses keys that only the whole command line shows, so that clients
    /// must ask COMMAND GETKEYS: the `movablekeys` flag.
    pub fn is_movable(&self) -> bool {
        let mut previous = 0;
        self.specs.iter().any(|spec| {
            let (BeginSearch::Index(first), KeyExtent::Range { last, step, .. }) =
                (spec.begin, spec.find)
            else {
                return true;
            };
            let joined = step == 1 && (previous == 0 || previous == i64::from(first) - 1);
            previous = absolute(first, last);
            spec.access.contains(Access::INCOMPLETE) || (self.specs.len() > 1 && !joined)
        })
    }
}

fn absolute(first: u16, last: i16) -> i64 {
    i64::from(last) + if last >= 0 { i64::from(first) } else { 0 }
}

impl FixedKeys {
    /// The positions among `args`, as far as they are known without checking the arguments.
    #[inline]
    fn run(self, args: Args<'_>) -> KeyRun {
        let first = usize::from(self.first);
        let end = match self.end {
            KeysEnd::Last(last) => usize::from(last) + 1,
            KeysEnd::Left(left) => args.len().saturating_sub(left.into()),
            KeysEnd::Count(at) => {
                let count = args.get(at.into()).and_then(number::parse_i64);
                let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0);
                count.saturating_mul(self.step.into()).saturating_add(first)
            }
        };
        KeyRun::new(first, end.min(args.len()), self.step, self.access)
    }

    fn of(spec: &KeySpec) -> Option<FixedKeys> {
        let is_key = !spec.access.contains(Access::NOT_KEY);
        is_key.then(|| FixedKeys::located(spec)).flatten()
    }

    /// As [`FixedKeys::of`], for a spec of keys or of channels.
    fn located(spec: &KeySpec) -> Option<FixedKeys> {
        let BeginSearch::Index(begin) = spec.begin else {
            return None;
        };
        let (first, step, end) = match spec.find {
            KeyExtent::Range { last, step, .. } => {
                let end = match u16::try_from(last) {
                    Ok(last) => KeysEnd::Last(begin + last),
                    Err(_) => KeysEnd::Left(last.unsigned_abs() - 1),
                };
                (begin, step, end)
            }
            KeyExtent::KeyNum {
                count_at,
                first,
                step,
            } => (begin + first, step, KeysEnd::Count(begin + count_at)),
            KeyExtent::Unknown => return None,
        };
        Some(FixedKeys {
            first,
            step: step.max(1),
            end,
            access: spec.access,
        })
    }
}

fn by_specs(specs: &[KeySpec], args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut keys = Keys::NONE;
    for spec in specs.iter().filter(|k| !k.access.contains(Access::NOT_KEY)) {
        let Some(mut first) = begin(spec.begin, args)? else {
            continue;
        };
        let (last, step) = match spec.find {
            KeyExtent::Range { last, step, .. } if last >= 0 => (first + last as isize, step),
            KeyExtent::Range {
                last,
                step,
                limit: 0,
            } => (args.len() as isize + last as isize, step),
            KeyExtent::Range { last, step, limit } => {
                let share = (args.len() as isize - first) / limit as isize;
                (first + share + last as isize, step)
            }
            KeyExtent::KeyNum {
                count_at,
                first: offset,
                step,
            } => {
                let count = args
                    .get((first + count_at as isize) as usize)
                    .ok_or(BadKeys)?;
                let count = number::parse_i64(count)
                    .filter(|&n| n >= 0)
                    .ok_or(BadKeys)?;
                let count = isize::try_from(count).map_err(|_| BadKeys)?;
                first += offset as isize;
                let beyond = (count - 1).checked_mul(step as isize).ok_or(BadKeys)?;
                (first.checked_add(beyond).ok_or(BadKeys)?, step)
            }
            KeyExtent::Unknown => return Err(BadKeys),
        };
        let is_range = matches!(spec.find, KeyExtent::Range { .. });
        if is_range && last + 1 == first && keys.len() > 0 {
            // An empty range of further keys (`PFMERGE destination`).
            continue;
        }
        let is_incomplete = spec.access.contains(Access::INCOMPLETE);
        if is_incomplete || last >= args.len() as isize || last < first {
            return Err(BadKeys);
        }
        let run = KeyRun::new(first as usize, last as usize + 1, step.max(1), spec.access);
        keys.push(run);
    }
    Ok(keys)
}

/// Where a spec's search begins; `None` if the spec's keyword is missing.
fn begin(begin: BeginSearch, args: Args<'_>) -> Result<Option<isize>, BadKeys> {
    match begin {
        BeginSearch::Index(at) => Ok(Some(at as isize)),
        BeginSearch::Unknown => Err(BadKeys),
        BeginSearch::Keyword { word, from } => {
            let is_word = |at: &usize| args.is(*at, word);
            // The word itself cannot be last (forwards), nor the first argument (backwards).
            let at = if from > 0 {
                (from as usize..args.len().saturating_sub(1)).find(is_word)
            } else {
                let start = args.len() as isize + from as isize;
                (2..=start.max(0) as usize).rev().find(is_word)
            };
            Ok(at.map(|at| at as isize + 1))
        }
    }
}

impl LooseCount {
    fn of(specs: &[KeySpec]) -> Option<LooseCount> {
        let destination = match specs {
            [
                KeySpec {
                    begin: BeginSearch::Index(at),
                    find: KeyExtent::Range { .. },
                    ..
                },
                ..,
            ] => Some(*at),
            _ => None,
        };
        specs.iter().find_map(|spec| match (spec.begin, spec.find) {
            (
                BeginSearch::Index(at),
                KeyExtent::KeyNum {
                    count_at,
                    first,
                    step,
                },
            ) => Some(LooseCount {
                count_at: at + count_at,
                first: at + first,
                step: step.max(1),
                destination,
            }),
            _ => None,
        })
    }

    /// Keys after a count that is not a strict integer (`2x` counts as 2), with unknown access. A
    /// destination before the count comes last.
    fn keys(self, args: Args<'_>) -> Result<Keys, BadKeys> {
        let count = leading_integer(args.get(self.count_at.into()).ok_or(BadKeys)?);
        let (first, step) = (usize::from(self.first), usize::from(self.step));
        let room = args.len().saturating_sub(first) / step;
        let count = usize::try_from(count)
            .ok()
            .filter(|n| (1..=room).contains(n))
            .ok_or(BadKeys)?;
        let unknown = Access::empty();
        let mut keys = Keys::run(KeyRun::new(first, first + count * step, self.step, unknown));
        if let Some(at) = self.destination {
            keys.push(KeyRun::new(at.into(), usize::from(at) + 1, 1, unknown));
        }
        Ok(keys)
    }
}

/// C's `atoi`, saturating.
fn leading_integer(text: &[u8]) -> i64 {
    let blanks = text.iter().take_while(|&&b| number::is_c_space(b)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let n = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |n, &b| {
            n.saturating_mul(10).saturating_add(i64::from(b - b'0'))
        });
    if negative { -n } else { n }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_resp::OwnedArgs;

    const MODIFY: Access = Access::MODIFY;
    const OVERWRITE: Access = Access::OVERWRITE;

    fn args(line: &str) -> OwnedArgs {
        line.split(' ').map(str::as_bytes).collect()
    }

    fn positions(spec: &Spec<()>, line: &str) -> Result<Vec<usize>, BadKeys> {
        let keys = KeyPlan::of(spec).keys(args(line).args())?;
        Ok(keys.map(|(at, _)| at).collect())
    }

    fn ahead(spec: &Spec<()>, line: &str) -> Vec<usize> {
        let run = KeyPlan::of(spec).fixed_keys(args(line).args());
        run.map(|(at, _)| at).collect()
    }

    fn row(name: &'static str, keys: &'static [KeySpec]) -> Spec<()> {
        Spec {
            keys,
            ..Spec::new(name, ())
        }
    }

    const COUNTED_STORE: &[KeySpec] = &[
        KeySpec::one(1, OVERWRITE),
        KeySpec::counted(2, Access::READ),
    ];

    #[test]
    fn ranges_and_steps() {
        let mset = row("mset", const { &[KeySpec::range(1, -1, 2, OVERWRITE)] });
        assert_eq!(positions(&mset, "mset a 1 b 2"), Ok(vec![1, 3]));
        assert_eq!(ahead(&mset, "mset a 1 b 2"), [1, 3]);
        let blpop = row("blpop", const { &[KeySpec::range(1, -2, 1, MODIFY)] });
        assert_eq!(positions(&blpop, "blpop a b 0"), Ok(vec![1, 2]));
        assert_eq!(ahead(&blpop, "blpop a b 0"), [1, 2]);
        assert_eq!(positions(&blpop, "blpop 0"), Err(BadKeys));
        assert!(ahead(&blpop, "blpop").is_empty());
        let get = row("get", const { &[KeySpec::one(1, Access::READ)] });
        assert_eq!(ahead(&get, "get a b"), [1]);
        assert!(ahead(&get, "get").is_empty());
    }

    /// For `MSETEX 2 a 1 b 2` only the first key was found.
    #[test]
    fn counted_keys_may_stand_apart() {
        let find = KeyExtent::KeyNum {
            count_at: 0,
            first: 1,
            step: 2,
        };
        let spec = KeySpec {
            find,
            ..KeySpec::counted(1, OVERWRITE)
        };
        let msetex = row("msetex", Box::leak(Box::new([spec])));
        assert_eq!(positions(&msetex, "msetex 2 a 1 b 2 ex 9"), Ok(vec![2, 4]));
        assert_eq!(ahead(&msetex, "msetex 2 a 1 b 2 ex 9"), [2, 4]);
        assert_eq!(positions(&msetex, "msetex 3 a 1 b 2"), Err(BadKeys));
        assert_eq!(ahead(&msetex, "msetex 3 a 1 b 2"), [2, 4]);
        assert_eq!(ahead(&msetex, "msetex 9223372036854775807 a 1"), [2]);
        assert!(ahead(&msetex, "msetex -1 a 1").is_empty());
        assert!(ahead(&msetex, "msetex").is_empty());
    }

    #[test]
    fn counts_strict_first_then_as_c_reads_them() {
        let store = row("zunionstore", COUNTED_STORE);
        assert_eq!(positions(&store, "zunionstore d 2 a b"), Ok(vec![1, 3, 4]));
        assert_eq!(positions(&store, "zunionstore d 2x a b"), Ok(vec![3, 4, 1]));
        for bad in [
            "d 3 a b",
            "d 0 a b",
            "d -1 a b",
            "d x a b",
            "d 9223372036854775807 a",
        ] {
            assert_eq!(
                positions(&store, &format!("zunionstore {bad}")),
                Err(BadKeys),
                "{bad}"
            );
        }
    }

    #[test]
    fn keywords_forwards_and_backwards() {
        let find = KeyExtent::Range {
            last: -1,
            step: 1,
            limit: 2,
        };
        let begin = BeginSearch::Keyword {
            word: "STREAMS",
            from: 1,
        };
        let spec = Box::leak(Box::new([KeySpec {
            access: Access::READ,
            begin,
            find,
            notes: "",
        }]));
        let read = row("xread", spec);
        assert_eq!(
            positions(&read, "xread count 1 streams a b 0 0"),
            Ok(vec![4, 5])
        );
        assert_eq!(positions(&read, "xread count 1"), Ok(vec![]));
        assert_eq!(positions(&read, "xread streams a"), Err(BadKeys));
    }

    /// A spec's keyword may be an operand; the row's finder distinguishes them.
    #[test]
    fn a_finder_gives_the_keys_in_place_of_the_specs() {
        let mut store = row(
            "sort",
            const {
                &[
                    KeySpec::one(1, Access::READ),
                    KeySpec::behind("STORE", 2, OVERWRITE),
                ]
            },
        );
        assert_eq!(positions(&store, "sort a get store b"), Ok(vec![1, 4]));
        store.find_keys = Some(|_| Ok(Keys::source_and(None)));
        assert_eq!(positions(&store, "sort a get store b"), Ok(vec![1]));
    }

    /// PFMERGE with only a destination had no keys, so its write permission was never checked.
    #[test]
    fn further_keys_may_be_missing() {
        let merge = row(
            "pfmerge",
            const {
                &[
                    KeySpec::one(1, MODIFY),
                    KeySpec::range(2, -1, 1, Access::READ),
                ]
            },
        );
        assert_eq!(positions(&merge, "pfmerge d"), Ok(vec![1]));
        assert_eq!(positions(&merge, "pfmerge d a b"), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_marked_as_no_key_is_none() {
        const CHANNEL: KeySpec = KeySpec::one(1, Access::NOT_KEY);
        let plan = KeyPlan::of(&row("spublish", const { &[CHANNEL] }));
        let line = args("spublish c m");
        assert!(!plan.has_keys());
        assert_eq!(plan.keys(line.args()), Ok(Keys::NONE));
        assert_eq!(plan.fixed_keys(line.args()).len(), 0);
    }

    #[test]
    fn old_fields_join_what_can_be_joined() {
        fn plan(keys: &'static [KeySpec]) -> KeyPlan {
            KeyPlan::of(&row("some", keys))
        }
        assert_eq!(plan(&[]).old_range(), (0, 0, 0));
        let pairs = plan(const { &[KeySpec::range(1, -1, 2, OVERWRITE)] });
        assert_eq!(pairs.old_range(), (1, -1, 2));
        assert_eq!(plan(COUNTED_STORE).old_range(), (1, 1, 1));
        let two = plan(const { &[KeySpec::one(1, MODIFY), KeySpec::one(2, MODIFY)] });
        assert_eq!(two.old_range(), (1, 2, 1));
        let rest = plan(const { &[KeySpec::one(1, MODIFY), KeySpec::range(2, -1, 1, MODIFY)] });
        assert_eq!(rest.old_range(), (1, -1, 1));
        let unknown = plan(const { &[KeySpec::unknown(MODIFY)] });
        assert_eq!(unknown.old_range(), (0, 0, 0));
        assert!(!two.is_movable() && !rest.is_movable());
        assert!(plan(COUNTED_STORE).is_movable() && unknown.is_movable());
    }
}

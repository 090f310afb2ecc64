//! The grammar of GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS commands.
//!
//! A [`GeoGrammar`] says where options begin and which are allowed; then all commands parse into a
//! [`Query`]. Key, then options from left to right, then the checks of the whole: this order of
//! errors is Redis's. GEORADIUSBYMEMBER of a missing key does not even check the radius.
//!
//! The keys of STORE depend on the options, so rows find them by [`keys`], with the same grammar as
//! the handler.
//!
//! Decided elsewhere: the search, the order and the reply: `search`; the area: `shape`.

use super::args;
use super::search::{self, Extras, Order, ResultLimit};
use super::shape::Area;
use crate::stored::store;
use russet_base::numbers::number::parse_i64;
use russet_command::keys::Keys;
use russet_command::options::{OptionReader, Word};
use russet_command::{Access, Arity, BadKeys, Category, CommandError, Flags, KeySpec};
use russet_config::Dialect;
use russet_encodings::geohash::Position;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Limits, Zset};

pub(super) const GEOSEARCH: Spec = Spec {
    arity: Arity::AtLeast(7),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::GEO,
    ..Spec::new("geosearch", geosearch)
};

/// `GEOSEARCH key (FROMMEMBER member | FROMLONLAT longitude latitude) (BYRADIUS radius unit |
/// BYBOX width height unit) [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST]
/// [WITHHASH]`; instead of both parentheses Valkey's `BYPOLYGON vertices longitude latitude
/// [longitude latitude ...]`, with distances from the vertices' centroid, in metres.
///
/// Reply: array of members, or with a WITH option of arrays of member, distance, geohash and
/// position. O(members in the squares around the area), with an order O(n log n) of the members in
/// the area.
fn geosearch(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::Search)
}

pub(super) const GEOSEARCHSTORE: Spec = Spec {
    arity: Arity::AtLeast(8),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::OVERWRITE),
        KeySpec::one(2, Access::READ),
    ],
    categories: Category::GEO,
    ..Spec::new("geosearchstore", geosearchstore)
};

/// `GEOSEARCHSTORE destination source ... [STOREDIST]`: GEOSEARCH without the WITH options; stores
/// the members as a sorted set, by geohash or by distance.
///
/// Reply: the number of members; if 0, the destination is deleted.
fn geosearchstore(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::SearchStore)
}

/// The words may also be operands: only the handler's grammar decides.
const MAYBE_STORES: Access = Access::OVERWRITE.union(Access::INCOMPLETE);

pub(super) const GEORADIUS: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::behind("STORE", 6, MAYBE_STORES),
        KeySpec::behind("STOREDIST", 6, MAYBE_STORES),
    ],
    categories: Category::GEO,
    find_keys: Some(|args| keys(args, GeoGrammar::Radius { may_store: true })),
    ..Spec::new("georadius", georadius)
};

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count
/// [ANY]] [ASC | DESC] [STORE key | STOREDIST key]`: the older form of GEOSEARCH.
fn georadius(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::Radius { may_store: true })
}

pub(super) const GEORADIUS_RO: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::GEO,
    ..Spec::new("georadius_ro", georadius_ro)
};

/// `GEORADIUS_RO ...`: GEORADIUS without STORE and STOREDIST.
fn georadius_ro(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::Radius { may_store: false })
}

pub(super) const GEORADIUSBYMEMBER: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::behind("STORE", 5, MAYBE_STORES),
        KeySpec::behind("STOREDIST", 5, MAYBE_STORES),
    ],
    categories: Category::GEO,
    find_keys: Some(|args| keys(args, GeoGrammar::ByMember { may_store: true })),
    ..Spec::new("georadiusbymember", georadiusbymember)
};

/// `GEORADIUSBYMEMBER key member radius unit ...`: GEORADIUS around a member.
fn georadiusbymember(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::ByMember { may_store: true })
}

pub(super) const GEORADIUSBYMEMBER_RO: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::GEO,
    ..Spec::new("georadiusbymember_ro", georadiusbymember_ro)
};

/// `GEORADIUSBYMEMBER_RO ...`: GEORADIUSBYMEMBER without STORE and STOREDIST.
fn georadiusbymember_ro(call: &mut Call<'_>) -> CommandResult {
    run(call, GeoGrammar::ByMember { may_store: false })
}

/// The command's grammar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GeoGrammar {
    Search,
    SearchStore,
    Radius { may_store: bool },
    ByMember { may_store: bool },
}

impl GeoGrammar {
    fn searches(self) -> bool {
        matches!(self, GeoGrammar::Search | GeoGrammar::SearchStore)
    }

    /// Whether the options may name a destination.
    fn may_store(self) -> bool {
        let (GeoGrammar::Radius { may_store } | GeoGrammar::ByMember { may_store }) = self else {
            return false;
        };
        may_store
    }

    /// The option words.
    fn words(self) -> &'static [Word<GeoOption>] {
        if self.searches() { SEARCH } else { RADIUS }
    }

    /// The position of the first option.
    fn options_at(self) -> usize {
        match self {
            GeoGrammar::Search => 2,
            GeoGrammar::SearchStore => 3,
            GeoGrammar::Radius { .. } => 6,
            GeoGrammar::ByMember { .. } => 5,
        }
    }
}

/// The kind of an option word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GeoOption {
    WithDist,
    WithHash,
    WithCoord,
    Any,
    Asc,
    Desc,
    Count,
    /// A destination, by geohash or by distance.
    Store {
        by_distance: bool,
    },
    /// GEOSEARCHSTORE's flag.
    ByDistance,
    FromMember,
    FromLonLat,
    ByRadius,
    ByBox,
    ByPolygon,
}

/// The options of the GEORADIUS commands.
const RADIUS: &[Word<GeoOption>] = &[
    Word::new("WITHDIST", 0, GeoOption::WithDist),
    Word::new("WITHHASH", 0, GeoOption::WithHash),
    Word::new("WITHCOORD", 0, GeoOption::WithCoord),
    Word::new("ANY", 0, GeoOption::Any),
    Word::new("ASC", 0, GeoOption::Asc),
    Word::new("DESC", 0, GeoOption::Desc),
    Word::new("COUNT", 1, GeoOption::Count),
    Word::new("STORE", 1, GeoOption::Store { by_distance: false }),
    Word::new("STOREDIST", 1, GeoOption::Store { by_distance: true }),
];

/// The options of GEOSEARCH and GEOSEARCHSTORE.
const SEARCH: &[Word<GeoOption>] = &[
    Word::new("FROMMEMBER", 1, GeoOption::FromMember),
    Word::new("FROMLONLAT", 2, GeoOption::FromLonLat),
    Word::new("BYRADIUS", 2, GeoOption::ByRadius),
    Word::new("BYBOX", 3, GeoOption::ByBox),
    Word::new("BYPOLYGON", 2, GeoOption::ByPolygon),
    Word::new("ASC", 0, GeoOption::Asc),
    Word::new("DESC", 0, GeoOption::Desc),
    Word::new("COUNT", 1, GeoOption::Count),
    Word::new("ANY", 0, GeoOption::Any),
    Word::new("WITHCOORD", 0, GeoOption::WithCoord),
    Word::new("WITHDIST", 0, GeoOption::WithDist),
    Word::new("WITHHASH", 0, GeoOption::WithHash),
    Word::new("STOREDIST", 0, GeoOption::ByDistance),
];

/// The keys of GEORADIUS and GEORADIUSBYMEMBER: the source and the last destination.
fn keys(args: Args<'_>, form: GeoGrammar) -> Result<Keys, BadKeys> {
    let options = OptionReader::new(args, form.options_at(), form.words()).flatten();
    let destinations = options.filter(|(asked, _)| matches!(asked, GeoOption::Store { .. }));
    Ok(Keys::source_and(destinations.last().map(|(_, at)| at + 1)))
}

/// The requested shape, and the metres of the unit.
enum SearchShape {
    Radius {
        radius: f64,
        unit_m: f64,
    },
    Box {
        width: f64,
        height: f64,
        unit_m: f64,
    },
    Polygon(Vec<Position>),
}

/// The centre.
#[derive(Clone, Copy, PartialEq)]
enum Center {
    /// The position of a member; `None` if the key is missing.
    Member(Option<Position>),
    Position(Position),
}

/// A parsed command line.
#[derive(Default)]
struct Query<'a> {
    from: Option<Center>,
    by: Option<SearchShape>,
    extras: Extras,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    destination: Option<&'a [u8]>,
    by_distance: bool,
    dialect: Dialect,
}

impl<'a> Query<'a> {
    /// Parses a line in Redis's order; `zset` is the source.
    fn parse(
        args: Args<'a>,
        form: GeoGrammar,
        zset: Option<&Zset>,
        dialect: Dialect,
    ) -> Result<Self, CommandError> {
        let mut query = Query {
            dialect,
            ..Query::default()
        };
        match form {
            GeoGrammar::Search => {}
            GeoGrammar::SearchStore => query.destination = Some(args.at(1)),
            GeoGrammar::Radius { .. } => {
                query.from = Some(Center::Position(args::position(
                    args.at(2),
                    args.at(3),
                    dialect,
                )?));
                query.by = Some(radius(args, 4, dialect)?);
            }
            GeoGrammar::ByMember { .. } => {
                // For a missing key not even the radius is checked.
                if let Some(zset) = zset {
                    query.from = Some(Center::Member(Some(position_of(
                        zset,
                        args.at(2),
                        dialect,
                    )?)));
                    query.by = Some(radius(args, 3, dialect)?);
                }
            }
        }
        let mut options = OptionReader::new(args, form.options_at(), form.words());
        while let Some(option) = options.next() {
            let (asked, at) = option?;
            query.option(args, (asked, at), form, zset)?;
            if let (GeoOption::ByPolygon, Some(SearchShape::Polygon(vertices))) = (asked, &query.by)
            {
                options.skip_to(at + 2 + 2 * vertices.len());
            }
        }
        query.check(args, form)?;
        Ok(query)
    }

    /// Applies the option at `at`.
    fn option(
        &mut self,
        args: Args<'a>,
        (asked, at): (GeoOption, usize),
        form: GeoGrammar,
        zset: Option<&Zset>,
    ) -> CommandResult {
        let dialect = self.dialect;
        let polygon = matches!(self.by, Some(SearchShape::Polygon(_)));
        let from_position = matches!(self.from, Some(Center::Position(_)));
        let from_member = matches!(self.from, Some(Center::Member(_)));
        match asked {
            GeoOption::WithDist => self.extras.distance = true,
            GeoOption::WithHash => self.extras.hash = true,
            GeoOption::WithCoord => self.extras.position = true,
            GeoOption::Any => self.any = true,
            GeoOption::Asc => self.order = Some(Order::Nearest),
            GeoOption::Desc => self.order = Some(Order::Farthest),
            GeoOption::Count => {
                let count = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                if count <= 0 {
                    return Err(CommandError::Text("ERR COUNT must be > 0"));
                }
                self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
            }
            GeoOption::Store { by_distance } if form.may_store() => {
                (self.destination, self.by_distance) = (Some(args.at(at + 1)), by_distance);
            }
            GeoOption::ByDistance if form == GeoGrammar::SearchStore => self.by_distance = true,
            GeoOption::FromMember if !from_position && !polygon => {
                let position = zset.map(|zset| position_of(zset, args.at(at + 1), dialect));
                self.from = Some(Center::Member(position.transpose()?));
            }
            GeoOption::FromLonLat if !from_member && !polygon => {
                let position = args::position(args.at(at + 1), args.at(at + 2), dialect)?;
                self.from = Some(Center::Position(position));
            }
            GeoOption::ByRadius if matches!(self.by, None | Some(SearchShape::Radius { .. })) => {
                self.by = Some(radius(args, at + 1, dialect)?);
            }
            GeoOption::ByBox if matches!(self.by, None | Some(SearchShape::Box { .. })) => {
                let (width, height, unit_m) =
                    args::sides(args.at(at + 1), args.at(at + 2), args.at(at + 3), dialect)?;
                self.by = Some(SearchShape::Box {
                    width,
                    height,
                    unit_m,
                });
            }
            GeoOption::ByPolygon if self.from.is_none() && (self.by.is_none() || polygon) => {
                self.by = Some(SearchShape::Polygon(vertices(args.from(at + 1), dialect)?));
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    fn check(&self, args: Args<'_>, form: GeoGrammar) -> CommandResult {
        const ANY: &str = "ERR the ANY argument requires COUNT argument";
        let extras = self.extras.distance || self.extras.hash || self.extras.position;
        if self.destination.is_some() && extras {
            return Err(CommandError::Text(match form {
                GeoGrammar::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD \
                     options"
                }
                _ => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and \
                     WITHCOORD options"
                }
            }));
        }
        if form.searches() {
            let one_of = |words: &str| {
                let text = format!("ERR exactly one of {words} can be specified for ");
                // As spelt by the client.
                Err(CommandError::naming(&text, args.at(0), ""))
            };
            let polygon = matches!(self.by, Some(SearchShape::Polygon(_)));
            if self.from.is_none() && !polygon {
                return one_of("FROMMEMBER or FROMLONLAT");
            }
            if self.by.is_none() {
                return one_of(self.dialect.geo_shapes());
            }
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::Text(ANY));
        }
        Ok(())
    }

    /// The area and the unit in metres; `None` around a member of a missing key.
    fn area(&self) -> Option<(Area, f64)> {
        let center = match self.from {
            Some(Center::Position(position)) => Some(position),
            Some(Center::Member(position)) => position,
            None => None,
        };
        Some(match self.by.as_ref()? {
            SearchShape::Radius { radius, unit_m } => {
                (Area::circle(center?, radius * unit_m), *unit_m)
            }
            SearchShape::Box {
                width,
                height,
                unit_m,
            } => {
                let area = Area::rectangle(center?, *width, *height, *unit_m);
                (area, *unit_m)
            }
            SearchShape::Polygon(vertices) => (Area::polygon(vertices), 1.0),
        })
    }

    /// COUNT without an order means the nearest, except with ANY.
    fn order(&self) -> Order {
        let default = match self.count {
            Some(_) if !self.any => Order::Nearest,
            _ => Order::AsFound,
        };
        self.order.unwrap_or(default)
    }

    fn result_limit(&self) -> ResultLimit {
        match self.count {
            None => ResultLimit::All,
            Some(count) if self.any => ResultLimit::Any(count),
            Some(count) => ResultLimit::First(count),
        }
    }
}

fn radius(args: Args<'_>, at: usize, dialect: Dialect) -> Result<SearchShape, CommandError> {
    let (radius, unit_m) = args::radius(args.at(at), args.at(at + 1), dialect)?;
    Ok(SearchShape::Radius { radius, unit_m })
}

fn position_of(zset: &Zset, member: &[u8], dialect: Dialect) -> Result<Position, CommandError> {
    let unknown = || {
        if dialect.names_missing_member() {
            CommandError::naming("ERR member ", member, " does not exist")
        } else {
            CommandError::Text("ERR could not decode requested zset member")
        }
    };
    zset.score(member)
        .map(Position::of_score)
        .ok_or_else(unknown)
}

/// Parses a polygon: the number of vertices, then the vertices.
fn vertices(args: Args<'_>, dialect: Dialect) -> Result<Vec<Position>, CommandError> {
    const NO_NUMBER: &str = "ERR invalid number of vertices";
    const TOO_FEW: &str = "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    let count = parse_i64(args.at(0)).and_then(|count| i32::try_from(count).ok());
    let count = count.ok_or(CommandError::Text(NO_NUMBER))?;
    let vertices = args.from(1);
    let count = match usize::try_from(count) {
        Ok(count) if count >= 3 && count <= vertices.len() / 2 => count,
        _ => return Err(CommandError::Text(TOO_FEW)),
    };
    (0..count)
        .map(|i| args::position(vertices.at(2 * i), vertices.at(2 * i + 1), dialect))
        .collect()
}

fn run(call: &mut Call<'_>, form: GeoGrammar) -> CommandResult {
    let source = if form == GeoGrammar::SearchStore {
        2
    } else {
        1
    };
    let limits: Limits = *call.db.limits();
    let (dialect, numbers) = (call.db.dialect(), call.number_dialect());
    let zset = call.db.read::<Zset>(call.args.at(source))?;
    let query = Query::parse(call.args, form, zset.as_deref(), numbers)?;
    let area = query.area();
    let found = match (zset.as_deref(), &area) {
        (Some(zset), Some((area, _))) => {
            search::search(zset, area, query.order(), query.result_limit())
        }
        _ => Vec::new(),
    };
    let unit_m = area.map_or(1.0, |(_, unit_m)| unit_m);
    let Some(destination) = query.destination else {
        search::write(call.reply, &found, query.extras, unit_m, dialect);
        return Ok(());
    };
    let result = search::to_zset(&found, query.by_distance, unit_m, &limits);
    let (changes, event) = if form.searches() {
        (found.len(), "geosearchstore")
    } else {
        (found.len(), "georadiusstore")
    };
    drop(found);
    store(call, destination, result, changes, Class::ZSET, event);
    Ok(())
}

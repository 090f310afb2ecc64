//! GEOSEARCH and GEOSEARCHSTORE, and the older GEORADIUS and its kin: one grammar.

use super::args;
use super::search::{self, Order, Told, Wanted};
use super::shape::Area;
use crate::base::number::parse_i64;
use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec, finders};
use crate::commands::stored::store;
use crate::encodings::geohash::Position;
use crate::keyspace::Class;
use crate::resp::Args;
use crate::server::{Call, CommandResult, Spec};
use crate::types::{Limits, Zset};

const OVERWRITE: Access = Access::OW.union(Access::UPDATE);

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
/// [longitude latitude ...]`, whose distances are those from the vertices' middle, in metres.
///
/// Reply: array of members, or with a WITH option of arrays of member, distance, geohash and
/// position. O(members in the squares around the area), with an order O(n log n) of those in it.
fn geosearch(call: &mut Call<'_>) -> CommandResult {
    run(call, Form::Search)
}

pub(super) const GEOSEARCHSTORE: Spec = Spec {
    arity: Arity::AtLeast(8),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, OVERWRITE), KeySpec::one(2, Access::READ)],
    categories: Category::GEO,
    ..Spec::new("geosearchstore", geosearchstore)
};

/// `GEOSEARCHSTORE destination source ... [STOREDIST]`: as GEOSEARCH without the WITH options;
/// what is found becomes a sorted set, by geohash or by distance.
///
/// Reply: the number of members; none deletes the destination.
fn geosearchstore(call: &mut Call<'_>) -> CommandResult {
    run(call, Form::SearchStore)
}

pub(super) const GEORADIUS: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::behind("STORE", 6, OVERWRITE),
        KeySpec::behind("STOREDIST", 6, OVERWRITE),
    ],
    categories: Category::GEO,
    find_keys: Some(finders::georadius),
    ..Spec::new("georadius", georadius)
};

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count
/// [ANY]] [ASC | DESC] [STORE key | STOREDIST key]`: GEOSEARCH of old.
fn georadius(call: &mut Call<'_>) -> CommandResult {
    run(call, Form::Radius { may_store: true })
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
    run(call, Form::Radius { may_store: false })
}

pub(super) const GEORADIUSBYMEMBER: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, Access::READ),
        KeySpec::behind("STORE", 5, OVERWRITE),
        KeySpec::behind("STOREDIST", 5, OVERWRITE),
    ],
    categories: Category::GEO,
    find_keys: Some(finders::georadius),
    ..Spec::new("georadiusbymember", georadiusbymember)
};

/// `GEORADIUSBYMEMBER key member radius unit ...`: GEORADIUS around a member.
fn georadiusbymember(call: &mut Call<'_>) -> CommandResult {
    run(call, Form::ByMember { may_store: true })
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
    run(call, Form::ByMember { may_store: false })
}

/// Which command's words a line has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    Radius { may_store: bool },
    ByMember { may_store: bool },
}

impl Form {
    fn searches(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    /// Whether a destination may stand among the options.
    fn may_store(self) -> bool {
        let (Form::Radius { may_store } | Form::ByMember { may_store }) = self else {
            return false;
        };
        may_store
    }
}

/// What shape is asked for, and the metres of its unit.
enum By {
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

/// Where the middle is.
#[derive(Clone, Copy, PartialEq)]
enum From {
    /// At a member; unknown if the key is missing.
    Member(Option<Position>),
    Position(Position),
}

/// What a line asks for.
#[derive(Default)]
struct Query<'a> {
    from: Option<From>,
    by: Option<By>,
    told: Told,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    destination: Option<&'a [u8]>,
    by_distance: bool,
}

impl<'a> Query<'a> {
    /// Reads a line, in Redis's order; `zset` is the source.
    fn parse(args: Args<'a>, form: Form, zset: Option<&Zset>) -> Result<Self, CommandError> {
        let mut query = Query::default();
        let mut at = match form {
            Form::Search => 2,
            Form::SearchStore => {
                query.destination = Some(args.at(1));
                3
            }
            Form::Radius { .. } => {
                query.from = Some(From::Position(args::position(args.at(2), args.at(3))?));
                query.by = Some(radius(args, 4)?);
                6
            }
            Form::ByMember { .. } => {
                // Of a missing key not even the radius is looked at.
                if let Some(zset) = zset {
                    query.from = Some(From::Member(Some(position_of(zset, args.at(2))?)));
                    query.by = Some(radius(args, 3)?);
                }
                5
            }
        };
        while at < args.len() {
            at = query.option(args, at, form, zset)?;
        }
        query.check(args, form)?;
        Ok(query)
    }

    /// Reads one option; where the next one stands.
    fn option(
        &mut self,
        args: Args<'a>,
        at: usize,
        form: Form,
        zset: Option<&Zset>,
    ) -> Result<usize, CommandError> {
        let behind = args.len() - at - 1;
        let searches = form.searches();
        if args.is(at, "WITHDIST") {
            self.told.distance = true;
        } else if args.is(at, "WITHHASH") {
            self.told.hash = true;
        } else if args.is(at, "WITHCOORD") {
            self.told.position = true;
        } else if args.is(at, "ANY") {
            self.any = true;
        } else if args.is(at, "ASC") {
            self.order = Some(Order::Nearest);
        } else if args.is(at, "DESC") {
            self.order = Some(Order::Farthest);
        } else if args.is(at, "COUNT") && behind >= 1 {
            let count = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
            if count <= 0 {
                return Err(CommandError::Text("ERR COUNT must be > 0"));
            }
            self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
            return Ok(at + 2);
        } else if form == Form::SearchStore && args.is(at, "STOREDIST") {
            self.by_distance = true;
        } else if form.may_store() && behind >= 1 && args.is(at, "STORE") {
            (self.destination, self.by_distance) = (Some(args.at(at + 1)), false);
            return Ok(at + 2);
        } else if form.may_store() && behind >= 1 && args.is(at, "STOREDIST") {
            (self.destination, self.by_distance) = (Some(args.at(at + 1)), true);
            return Ok(at + 2);
        } else if searches {
            return self.place(args, at, zset);
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(at + 1)
    }

    /// Reads where GEOSEARCH is to look.
    fn place(
        &mut self,
        args: Args<'a>,
        at: usize,
        zset: Option<&Zset>,
    ) -> Result<usize, CommandError> {
        let behind = args.len() - at - 1;
        let polygon = matches!(self.by, Some(By::Polygon(_)));
        let from_position = matches!(self.from, Some(From::Position(_)));
        let from_member = matches!(self.from, Some(From::Member(_)));
        if args.is(at, "FROMMEMBER") && behind >= 1 && !from_position && !polygon {
            let position = zset.map(|zset| position_of(zset, args.at(at + 1)));
            self.from = Some(From::Member(position.transpose()?));
            return Ok(at + 2);
        }
        if args.is(at, "FROMLONLAT") && behind >= 2 && !from_member && !polygon {
            let position = args::position(args.at(at + 1), args.at(at + 2))?;
            self.from = Some(From::Position(position));
            return Ok(at + 3);
        }
        if args.is(at, "BYRADIUS")
            && behind >= 2
            && matches!(self.by, None | Some(By::Radius { .. }))
        {
            self.by = Some(radius(args, at + 1)?);
            return Ok(at + 3);
        }
        if args.is(at, "BYBOX") && behind >= 3 && matches!(self.by, None | Some(By::Box { .. })) {
            let (width, height, unit_m) =
                args::sides(args.at(at + 1), args.at(at + 2), args.at(at + 3))?;
            self.by = Some(By::Box {
                width,
                height,
                unit_m,
            });
            return Ok(at + 4);
        }
        let open = self.from.is_none() && (self.by.is_none() || polygon);
        if args.is(at, "BYPOLYGON") && behind >= 2 && open {
            let vertices = vertices(args.from(at + 1))?;
            let next = at + 2 + 2 * vertices.len();
            self.by = Some(By::Polygon(vertices));
            return Ok(next);
        }
        Err(CommandError::Syntax)
    }

    fn check(&self, args: Args<'_>, form: Form) -> CommandResult {
        const ANY: &str = "ERR the ANY argument requires COUNT argument";
        let told = self.told.distance || self.told.hash || self.told.position;
        if self.destination.is_some() && told {
            return Err(CommandError::Text(match form {
                Form::SearchStore => {
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
                // As the client has spelt it.
                Err(CommandError::naming(&text, args.at(0), ""))
            };
            let polygon = matches!(self.by, Some(By::Polygon(_)));
            if self.from.is_none() && !polygon {
                return one_of("FROMMEMBER or FROMLONLAT");
            }
            if self.by.is_none() {
                return one_of("BYRADIUS and BYBOX");
            }
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::Text(ANY));
        }
        Ok(())
    }

    /// The area; `None` if it lies around a member of a missing key.
    fn area(&self) -> Option<(Area, f64)> {
        let center = match self.from {
            Some(From::Position(position)) => Some(position),
            Some(From::Member(position)) => position,
            None => None,
        };
        Some(match self.by.as_ref()? {
            By::Radius { radius, unit_m } => (Area::circle(center?, radius * unit_m), *unit_m),
            By::Box {
                width,
                height,
                unit_m,
            } => {
                let area = Area::rectangle(center?, *width, *height, *unit_m);
                (area, *unit_m)
            }
            By::Polygon(vertices) => (Area::polygon(vertices), 1.0),
        })
    }

    /// The nearest are meant where a number is asked for and no order, unless any will do.
    fn order(&self) -> Order {
        let default = match self.count {
            Some(_) if !self.any => Order::Nearest,
            _ => Order::AsFound,
        };
        self.order.unwrap_or(default)
    }

    fn wanted(&self) -> Wanted {
        match self.count {
            None => Wanted::All,
            Some(count) if self.any => Wanted::Any(count),
            Some(count) => Wanted::First(count),
        }
    }
}

fn radius(args: Args<'_>, at: usize) -> Result<By, CommandError> {
    let (radius, unit_m) = args::radius(args.at(at), args.at(at + 1))?;
    Ok(By::Radius { radius, unit_m })
}

fn position_of(zset: &Zset, member: &[u8]) -> Result<Position, CommandError> {
    const UNKNOWN: CommandError = CommandError::Text("ERR could not decode requested zset member");
    zset.score(member).map(Position::of_score).ok_or(UNKNOWN)
}

/// A polygon: the number of its vertices, then they themselves.
fn vertices(args: Args<'_>) -> Result<Vec<Position>, CommandError> {
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
        .map(|i| args::position(vertices.at(2 * i), vertices.at(2 * i + 1)))
        .collect()
}

fn run(call: &mut Call<'_>, form: Form) -> CommandResult {
    let source = if form == Form::SearchStore { 2 } else { 1 };
    let limits: Limits = *call.db.limits();
    let zset = call.db.read::<Zset>(call.args.at(source))?;
    let query = Query::parse(call.args, form, zset.as_deref())?;
    let area = query.area();
    let found = match (zset.as_deref(), &area) {
        (Some(zset), Some((area, _))) => search::search(zset, area, query.order(), query.wanted()),
        _ => Vec::new(),
    };
    let unit_m = area.map_or(1.0, |(_, unit_m)| unit_m);
    let Some(destination) = query.destination else {
        search::write(call.reply, &found, query.told, unit_m);
        return Ok(());
    };
    let result = search::to_zset(&found, query.by_distance, unit_m, &limits);
    let (changes, event) = match form.searches() {
        true => (found.len(), "geosearchstore"),
        false => (found.len(), "georadiusstore"),
    };
    drop(found);
    store(call, destination, result, changes, Class::ZSET, event);
    Ok(())
}

//! The geo commands: sorted sets whose scores are positions (`encodings::geohash`).
//!
//! A search visits the few squares of the map that the area may extend into (`cover`), tests their
//! members against the area (`shape`), and sorts and replies the matches (`search`).

mod add;
mod args;
mod cover;
mod partial_sort;
mod polygon;
mod query;
mod read;
mod search;
mod shape;

use russet_encodings::geohash::earth;
use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::GEOADD,
    query::GEORADIUS,
    query::GEORADIUSBYMEMBER,
    query::GEORADIUSBYMEMBER_RO,
    query::GEORADIUS_RO,
    query::GEOSEARCH,
    query::GEOSEARCHSTORE,
    read::GEODIST,
    read::GEOHASH,
    read::GEOPOS,
];

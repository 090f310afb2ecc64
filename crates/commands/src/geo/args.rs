//! Arguments of the geo commands: positions, units, lengths.

use russet_command::CommandError;
use russet_config::Dialect;
use russet_encodings::geohash::Position;

/// A longitude and a latitude, which must be on the map.
pub(super) fn position(
    longitude: &[u8],
    latitude: &[u8],
    dialect: Dialect,
) -> Result<Position, CommandError> {
    let degrees = |text| dialect.parse_double(text).ok_or(CommandError::NotAFloat);
    let position = Position {
        longitude: degrees(longitude)?,
        latitude: degrees(latitude)?,
    };
    if !position.is_valid() {
        return Err(CommandError::owned(format!(
            "ERR invalid longitude,latitude pair {:.6},{:.6}",
            position.longitude, position.latitude
        )));
    }
    Ok(position)
}

/// A unit of length, in metres.
pub(super) fn unit_m(word: &[u8]) -> Result<f64, CommandError> {
    const UNKNOWN: &str = "ERR unsupported unit provided. please use M, KM, FT, MI";
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let known = |(name, _): &&(&str, f64)| word.eq_ignore_ascii_case(name.as_bytes());
    let unit = units.iter().find(known);
    unit.map(|&(_, metres)| metres)
        .ok_or(CommandError::Text(UNKNOWN))
}

/// A radius and the unit in metres.
pub(super) fn radius(
    radius: &[u8],
    unit: &[u8],
    dialect: Dialect,
) -> Result<(f64, f64), CommandError> {
    const NO_RADIUS: CommandError = CommandError::Text("ERR need numeric radius");
    let radius = dialect.parse_double(radius).ok_or(NO_RADIUS)?;
    if radius < 0.0 {
        return Err(CommandError::Text("ERR radius cannot be negative"));
    }
    Ok((radius, unit_m(unit)?))
}

/// Width and height of a box, and their unit in metres.
pub(super) fn sides(
    width: &[u8],
    height: &[u8],
    unit: &[u8],
    dialect: Dialect,
) -> Result<(f64, f64, f64), CommandError> {
    let side = |text, wrong| dialect.parse_double(text).ok_or(CommandError::Text(wrong));
    let width = side(width, "ERR need numeric width")?;
    let height = side(height, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::Text("ERR height or width cannot be negative"));
    }
    Ok((width, height, unit_m(unit)?))
}

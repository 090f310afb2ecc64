//! Functions of times, in seconds since 1970 and in UTC.
//!
//! `minute`, `hour`, `day` and `month` round a time down. A time below 0, or NaN, has no parts:
//! null.

use jiff::civil::Date;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::borrow::Cow;

use super::value::Value;
use super::{ValueResult, functions};

/// The form of a time if the call names none.
const USUAL_FORM: &str = "%FT%TZ";

fn zoned(seconds: f64) -> Option<Zoned> {
    let is_whole = seconds.is_finite() && seconds.abs() < 1e15;
    let time = Timestamp::from_second(is_whole.then_some(seconds as i64)?).ok()?;
    Some(time.to_zoned(TimeZone::UTC))
}

/// `timefmt(time, form)`, by `strftime`.
pub(super) fn timefmt(args: &[Value]) -> ValueResult {
    let Some(seconds) = as_number(&args[0]) else {
        return Ok(Value::Null);
    };
    let form = match args.get(1) {
        Some(form) => form.text().map(Cow::into_owned),
        None => Some(USUAL_FORM.into()),
    };
    let made = zoned(seconds).zip(form).and_then(|(time, form)| {
        let form = String::from_utf8(form).ok()?;
        strtime::format(&form, &time).ok()
    });
    Ok(made.map_or(Value::Null, |text| Value::Text(text.into_bytes())))
}

/// `parsetime(text, form)`, by `strptime`. A part that the form does not name is 0, also the day of
/// the month: that is the last day of the month before.
pub(super) fn parsetime(args: &[Value]) -> ValueResult {
    let (text, form) = (
        functions::text(args, "parsetime", 0)?,
        functions::text(args, "parsetime", 1)?,
    );
    let (text, form) = (str::from_utf8(text), str::from_utf8(form));
    let seconds = text.ok().zip(form.ok()).and_then(|(text, form)| {
        let parts = BrokenDownTime::parse(form, text).ok()?;
        let (year, month) = (parts.year().unwrap_or(1900), parts.month().unwrap_or(1));
        let first = Date::new(year, month, 1).ok()?;
        let day = match parts.day() {
            Some(day) => Date::new(year, month, day).ok()?,
            None => first.checked_sub(1.day()).ok()?,
        };
        let (hour, minute) = (parts.hour().unwrap_or(0), parts.minute().unwrap_or(0));
        let time = day.at(hour, minute, parts.second().unwrap_or(0), 0);
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    });
    Ok(seconds.map_or(Value::Null, |seconds| Value::Number(seconds as f64)))
}

fn as_number(value: &Value) -> Option<f64> {
    let number = value.number()?;
    (*value != Value::Text(Vec::new())).then_some(number)
}

/// A part of a time from 1970 on.
pub(super) fn part(args: &[Value], of: fn(&Zoned) -> i64) -> ValueResult {
    let time = as_number(&args[0])
        .filter(|seconds| *seconds >= 0.0)
        .and_then(zoned);
    Ok(time.map_or(Value::Null, |time| Value::Number(of(&time) as f64)))
}

fn floor(time: &Zoned, step: i64) -> i64 {
    let seconds = time.timestamp().as_second();
    seconds - seconds.rem_euclid(step)
}

pub(super) fn minute(time: &Zoned) -> i64 {
    floor(time, 60)
}

pub(super) fn hour(time: &Zoned) -> i64 {
    floor(time, 3600)
}

pub(super) fn day(time: &Zoned) -> i64 {
    floor(time, 86_400)
}

pub(super) fn month(time: &Zoned) -> i64 {
    day(time) - (day_of_month(time) - 1) * 86_400
}

pub(super) fn hour_of_day(time: &Zoned) -> i64 {
    time.hour().into()
}

/// 0 is Sunday.
pub(super) fn day_of_week(time: &Zoned) -> i64 {
    time.weekday().to_sunday_zero_offset().into()
}

pub(super) fn day_of_month(time: &Zoned) -> i64 {
    time.day().into()
}

/// 0 is the first of January.
pub(super) fn day_of_year(time: &Zoned) -> i64 {
    i64::from(time.day_of_year()) - 1
}

pub(super) fn year(time: &Zoned) -> i64 {
    time.year().into()
}

/// 0 is January.
pub(super) fn month_of_year(time: &Zoned) -> i64 {
    i64::from(time.month()) - 1
}

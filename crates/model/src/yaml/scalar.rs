//! What a plain scalar is, by the core schema of YAML 1.2 as the npm package `yaml` has it.

use serde_json::{Number, Value};

use crate::js;

/// A scalar after resolution.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// NaN or an infinity, with the name that JavaScript gives it.
    NotFinite(&'static str),
    Text(&'a str),
}

impl Scalar<'_> {
    /// The scalar as a value of JSON.
    pub(super) fn into_value(self) -> Value {
        match self {
            Scalar::Null | Scalar::NotFinite(_) => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Number(value) => Value::Number(value),
            Scalar::Text(text) => Value::String(text.to_owned()),
        }
    }
}

/// Resolves a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Scalar<'_> {
    // Nothing but these characters starts a scalar that is no text.
    let may_be_special = text.bytes().next().is_none_or(|first| {
        matches!(
            first,
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F'
        )
    });
    if !may_be_special {
        return Scalar::Text(text);
    }
    null(text)
        .or_else(|| bool(text))
        .or_else(|| int(text))
        .or_else(|| float(text))
        .unwrap_or(Scalar::Text(text))
}

/// `!!null`
pub(super) fn null(text: &str) -> Option<Scalar<'_>> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Scalar::Null)
}

/// `!!bool`
pub(super) fn bool(text: &str) -> Option<Scalar<'_>> {
    match text {
        "true" | "True" | "TRUE" => Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => Some(Scalar::Bool(false)),
        _ => None,
    }
}

/// `!!int`: decimal with a sign, `0o` octal, `0x` hexadecimal.
pub(super) fn int(text: &str) -> Option<Scalar<'_>> {
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Integers that JavaScript would round keep their digits, as long as 64 bits hold them.
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let exact = unsigned.parse::<i64>().map(Number::from);
    let exact = exact.or_else(|_| unsigned.parse::<u64>().map(Number::from));
    Some(exact.map_or_else(|_| decimal(unsigned), Scalar::Number))
}

fn radix(digits: &str, radix: u32) -> Option<Scalar<'_>> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    if let Ok(value) = u64::from_str_radix(digits, radix) {
        return Some(Scalar::Number(value.into()));
    }
    // Beyond 64 bits, as precise as a double is. Each step is exact but for the last bits.
    let value = digits
        .chars()
        .filter_map(|digit| digit.to_digit(radix))
        .fold(0.0, |value: f64, digit| value.mul_add(f64::from(radix), f64::from(digit)));
    Some(finite(value))
}

/// `!!float`: with a point or an exponent, `.inf`, `.nan`.
pub(super) fn float(text: &str) -> Option<Scalar<'_>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".nan" | ".NaN" | ".NAN" if text.len() == 4 => return Some(Scalar::NotFinite("NaN")),
        ".inf" | ".Inf" | ".INF" => return Some(infinity(text.starts_with('-'))),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        // Without a point it has to have an exponent: all else is an integer.
        None => exponent.is_some() && !mantissa.is_empty() && is_digits(mantissa),
    };
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    (is_mantissa && is_exponent).then(|| decimal(text))
}

/// `parseFloat` of a text that is known to be a number.
fn decimal(text: &str) -> Scalar<'_> {
    text.parse().map_or(Scalar::Text(text), finite)
}

fn finite<'a>(value: f64) -> Scalar<'a> {
    match js::number(value) {
        Some(number) => Scalar::Number(number),
        None => infinity(value < 0.0),
    }
}

fn infinity<'a>(is_negative: bool) -> Scalar<'a> {
    Scalar::NotFinite(if is_negative { "-Infinity" } else { "Infinity" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_core_schema() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("Null", json!(null)),
            ("nULL", json!("nULL")),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("tRUE", json!("tRUE")),
            ("yes", json!("yes")),
            ("No", json!("No")),
            ("on", json!("on")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+12", json!(12)),
            ("007", json!(7)),
            ("0777", json!(777)),
            ("0o14", json!(12)),
            ("0o8", json!("0o8")),
            ("0x1F", json!(31)),
            ("-0x1F", json!("-0x1F")),
            ("0b1", json!("0b1")),
            ("1_000", json!("1_000")),
            ("12:30", json!("12:30")),
            ("2001-12-14", json!("2001-12-14")),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("+.5", json!(0.5)),
            ("-1.5e3", json!(-1500)),
            ("1e3", json!(1000)),
            ("1e", json!("1e")),
            ("e3", json!("e3")),
            (".", json!(".")),
            (".e3", json!(".e3")),
            ("1.2.3", json!("1.2.3")),
            ("1e400", json!(null)),
            (".inf", json!(null)),
            ("-.INF", json!(null)),
            (".nan", json!(null)),
            ("+.nan", json!("+.nan")),
            ("-", json!("-")),
            ("+", json!("+")),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("0xffffffffffffffffff", json!(4_722_366_482_869_645_213_695.0)),
            ("１", json!("１")),
        ] {
            assert_eq!(resolve(text).into_value(), expected, "{text:?}");
        }
    }
}

//! Random commands of all types, for tests of memory use: they make keys grow, shrink, change
//! encoding, move and disappear.

/// The next number of a xorshift sequence; 0 only after 0.
pub(super) fn next(n: u64) -> u64 {
    let n = n ^ n << 13;
    let n = n ^ n >> 7;
    n ^ n << 17
}

/// Commands of all types that grow, shrink, replace, move and remove.
pub(super) fn some_command(n: u64) -> String {
    let key = |n: u64| {
        format!(
            "{}:{}",
            ["s", "l", "h", "z", "t", "x"][(n % 6) as usize],
            n / 7 % 9
        )
    };
    let (k, other) = (key(n), key(n / 3));
    let long = "v".repeat((n / 5 % 700) as usize);
    let many = |word: &str| {
        let each = (0..n / 11 % 300).map(|i| format!(" {word}{i}"));
        each.collect::<String>()
    };
    match n / 6 % 24 {
        0 => format!("SET {k} {n}{long}"),
        1 => format!("APPEND {k} {long}x"),
        2 => format!("SETRANGE {k} {} x", n % 3000),
        3 => format!("RPUSH {k} a{long}{}", many("e")),
        4 => format!("LPUSH {k} b{}", many("long-element-")),
        5 => format!("LPOP {k} {}", n % 200 + 1),
        6 => format!("LTRIM {k} 3 -4"),
        7 => format!("SADD {k} m{}", many("member")),
        8 => format!("SADD {k} 1{}", many("")),
        9 => format!("SPOP {k} {}", n % 250 + 1),
        10 => format!("HSET {k} f{long} {long}x"),
        11 => format!("HMSET {k} f 1{} x", many("f 1 g").replace("f 1 g", "q 1 r")),
        12 => format!("HDEL {k} f q0 q1 q2"),
        13 => format!("HPEXPIRE {k} 1000000 FIELDS 1 f"),
        14 => {
            let each = (0..n / 11 % 300).map(|i| format!(" {i} member{i}"));
            format!("ZADD {k} 1 m{}", each.collect::<String>())
        }
        15 => format!("ZREMRANGEBYRANK {k} 0 {}", n % 200),
        16 => format!("ZPOPMAX {k} {}", n % 100 + 1),
        17 => format!("XADD {k} * f {long}x"),
        18 => format!("XTRIM {k} MAXLEN {}", n % 5),
        19 => format!("XGROUP CREATE {k} g{} 0 MKSTREAM", n % 4),
        20 => format!(
            "XREADGROUP GROUP g{} c{} COUNT 3 STREAMS {k} >",
            n % 4,
            n % 3
        ),
        21 => format!("PEXPIRE {k} {}", n % 2000),
        22 => format!("RENAME {k} {other}"),
        _ => format!("COPY {k} {other} REPLACE"),
    }
}

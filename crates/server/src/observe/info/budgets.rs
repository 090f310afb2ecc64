//! INFO budgets: use of budgets by the connections of their users. russet's own.
//!
//!     users_with_budgets:1
//!     user_budget_1:clients=3,held=1,delayed=40,delayed_ms=1200,refused=0,large_replies=0,
//!         much_work=2,refused_clients=0,user=app

use super::{InfoWriter, Source};

use crate::parts::users::budgets::Figures;
use crate::state::Server;
use russet_base::text::Printable;

/// Users that have a line here and samples in the metrics: the first users by name.
const USERS_MAX: usize = 1000;

/// A user with budgets.
pub struct Line {
    pub user: String,
    pub clients: u64,
    /// Connections held back now.
    pub(crate) held: u64,
    pub figures: Figures,
}

/// The first users with budgets, in the order of their names, and how many there are.
pub fn accounts(server: &Server) -> (Vec<Line>, usize) {
    let users = server.acl.users.iter();
    let lines = users.filter_map(|(name, id)| {
        let account = server.acl.accounts.of(id)?;
        Some(Line {
            user: Printable(name).to_string(),
            clients: account.clients,
            held: account.waiting() as u64,
            figures: account.figures,
        })
    });
    (lines.take(USERS_MAX).collect(), server.acl.accounts.len())
}

pub fn budgets(from: &Source<'_>, to: &mut InfoWriter) {
    let (lines, users) = accounts(from.server);
    to.section("Budgets");
    to.field("users_with_budgets", users);
    for (number, line) in lines.iter().enumerate() {
        let figures = &line.figures;
        to.line(format_args!(
            "user_budget_{}:clients={},held={},delayed={},delayed_ms={},refused={},\
             large_replies={},much_work={},refused_clients={},user={}",
            number + 1,
            line.clients,
            line.held,
            figures.delayed,
            figures.delayed_ms,
            figures.refused,
            figures.large_replies,
            figures.much_work,
            figures.clients,
            line.user,
        ));
    }
}

//! How many elements a command may touch (`work=` of its user's budgets).
//!
//! A row counts from the arguments and the lengths of the values (`Spec::work`), before anything is
//! done. EXEC is refused if any of its commands, up to the first SELECT, would touch too many
//! elements; each command is checked again before it runs, because earlier commands may have made
//! the values longer. The commands of a script are counted together, a command that touches none as
//! a single element; the command that exceeds the limit fails, and the script's writes until then
//! stay as after any other error. A command that waits for its keys is counted again when the keys
//! have elements, because it runs again.
//!
//! O(keys) for a command of a user with this budget, O(queued commands) for EXEC.

use crate::clients::client::{Client, ClientFlags};
use crate::execution::gates::{GatedCommand, Stop, queues};
use crate::origin::Origin;
use crate::state::call::{Call, CommandResult, Effect};
use crate::state::script::RunningScript;
use crate::state::world::World;
use crate::users::budgets::over_budget;
use russet_command::{CommandError, Facts, Flags};
use russet_resp::{Args, Reply};

/// The budget of the client's user, if any.
fn limit(world: &World<'_>, client: &Client) -> Option<u64> {
    if !client.flags.contains(ClientFlags::BUDGETED) {
        return None;
    }
    let account = world.server.acl.accounts.of(client.user)?;
    Some(account.budgets.work).filter(|&most| most > 0)
}

/// The command touches no more elements than its user may.
pub(super) fn bounded(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let most = match world.script {
        Some(script) => limit(world, script.caller.0),
        None => limit(world, world.client),
    };
    let Some(most) = most else {
        return Ok(());
    };
    if let Some(script) = world.script {
        return of_script(world, script, asked, most);
    }
    match asked.origin {
        _ if asked.spec.flags.contains(Flags::RUNS_QUEUE) => of_queue(world, most),
        Origin::Exec => of_one(world, (asked.row, asked.args), most),
        // The new elements of the client's keys are counted when the client is served.
        Origin::Retry if waits_for_keys(world.client) => {
            of_one(world, (asked.row, asked.args), most)
        }
        // The end of a search, a wait or a deadline: its work was admitted before.
        Origin::Retry | Origin::TimeUp => Ok(()),
        _ if queues(world.client, asked.spec) => Ok(()),
        _ => of_one(world, (asked.row, asked.args), most),
    }
}

impl Call<'_> {
    /// The command touches no more elements than its user may: for a command whose work is known
    /// only as it runs.
    ///
    /// # Errors
    ///
    /// The refusal, as of a command that is refused before it runs.
    pub fn may_touch(&mut self, touched: u64) -> CommandResult {
        let row = self.row;
        let mut world = self.world();
        let most = match world.script {
            Some(script) => limit(&world, script.caller.0),
            None => limit(&world, world.client),
        };
        match most.filter(|most| touched > *most) {
            Some(most) => Err(over(&mut world, row, touched, most, "by one command")),
            None => Ok(()),
        }
    }
}

fn waits_for_keys(client: &Client) -> bool {
    let blocked = client.blocked.as_ref();
    blocked.is_some_and(|blocked| !blocked.keys().is_empty())
}

fn of_one(world: &mut World<'_>, line: (usize, Args<'_>), most: u64) -> Result<(), Stop> {
    let touched = count(world, line);
    if touched > most {
        Err(refusal(world, line.0, touched, most, "by one command"))
    } else {
        Ok(())
    }
}

/// EXEC: nothing has run yet.
fn of_queue(world: &mut World<'_>, most: u64) -> Result<(), Stop> {
    let Some(transaction) = world.client.transaction.take() else {
        return Ok(());
    };
    // After a SELECT the values are in another database.
    let facts = |row| world.server.table.row(row).spec.facts;
    let selects = |row| facts(row).contains(Facts::SELECTS);
    let queued = transaction.commands.iter();
    let before = queued.clone().position(|command| selects(command.row));
    let queued = queued.take(before.unwrap_or(usize::MAX));
    let mut asked = queued.map(|command| of_one(world, (command.row, command.args.args()), most));
    let all = asked.find(Result::is_err).unwrap_or(Ok(()));
    world.client.transaction = Some(transaction);
    all
}

fn of_script(
    world: &mut World<'_>,
    script: &RunningScript<'_>,
    asked: &GatedCommand<'_>,
    most: u64,
) -> Result<(), Stop> {
    let touched = count(world, (asked.row, asked.args)).max(1);
    let all = script.touched.get().saturating_add(touched);
    if all > most {
        return Err(refusal(world, asked.row, all, most, "by one script"));
    }
    script.touched.set(all);
    Ok(())
}

/// Elements that a command would touch, as its row counts them.
pub fn count(world: &mut World<'_>, (id, args): (usize, Args<'_>)) -> u64 {
    let row = world.server.table.row(id);
    let (spec, name) = (row.spec, row.full_name);
    let Some(work) = &spec.work else {
        return 0;
    };
    world.server.turn.touched = 0;
    let mut unused = Reply::new();
    let mut call = Call {
        args,
        reply: &mut unused,
        db: world.keyspace.db(world.client.db),
        client: world.client,
        server: world.server,
        effect: Effect::Nothing,
        name,
        row: id,
        origin: Origin::TimeUp,
        script: world.script,
    };
    // The handler refuses wrong arguments.
    match (work.count)(&mut call) {
        Ok(()) => world.server.turn.touched,
        Err(_) => 0,
    }
}

fn refusal(world: &mut World<'_>, id: usize, touched: u64, most: u64, by: &str) -> Stop {
    over(world, id, touched, most, by).into()
}

fn over(world: &mut World<'_>, id: usize, touched: u64, most: u64, by: &str) -> CommandError {
    let user = world.client.user;
    if let Some(account) = world.server.acl.accounts.of_mut(user) {
        account.figures.much_work += 1;
    }
    let row = world.server.table.row(id);
    let cheaper = row
        .spec
        .work
        .as_ref()
        .map_or("do less at a time", |work| work.cheaper);
    let end = format!(
        "' may touch {most} elements {by} (its budget work=), and with '{}' here it would be \
         {touched}: {cheaper}",
        row.full_name
    );
    over_budget(&world.server.acl, user, &end)
}

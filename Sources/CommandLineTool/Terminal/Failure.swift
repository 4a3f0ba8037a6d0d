// How a command ends: exit codes that mean something, and errors on one line that say what to do.

internal import ArgumentParser
internal import Foundation
internal import SparseLoRA

/// The exit codes of every command; usage errors are the argument parser's own 64.
enum ExitReason {
    /// A file, configuration or data set is wrong (EX_DATAERR).
    static let badInput = ExitCode(65)
    /// The run itself failed, e.g. a loss that is not finite (EX_SOFTWARE).
    static let runFailed = ExitCode(70)
    /// Stopped by a signal after writing a checkpoint (EX_TEMPFAIL: try again).
    static let interrupted = ExitCode(75)
}

/// Runs a command's work and turns errors into a message and an exit code.
func reportingFailures(_ work: () throws -> Void) throws {
    if let problem = LanguageModel.environmentProblem { Terminal.note("warning: \(problem)") }
    do {
        try work()
    } catch let exit as ExitCode {
        throw exit
    } catch let error as InputError {
        Terminal.note(Terminal.red("error: ") + error.description)
        throw ExitReason.badInput
    } catch let failure as TrainingFailure {
        Terminal.note(Terminal.red("error: ") + failure.description)
        throw ExitReason.runFailed
    } catch {
        // All that is left is a run that failed, most of all a `TrainingFailure`, which describes itself.
        Terminal.note(Terminal.red("error: ") + "\(error)")
        throw ExitReason.runFailed
    }
}

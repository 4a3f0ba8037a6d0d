// Programs that take steps in turns, here a shell that writes down who was asked.

import FileSupport
import Foundation
import TestSupport
import Testing

@testable import Benchmarks

@Suite struct ContestTests {
    /// Answers every line with `seconds` after it has put its name on the list.
    private func contender(_ name: String, seconds: Double, list: String, turns: Int = 1) -> Contender {
        let loop =
            "echo '{}'; while read -r _; do printf \(name) >> '\(list)'; echo '{\"seconds\":\(seconds)}'; done"
        return Contender(name: name, command: ["sh", "-c", loop], limit: 60, turns: turns)
    }

    @Test func `alternate, some of them several times a round`() throws {
        try withTemporaryFolder { folder in
            let list = "\(folder)/list"
            let standings = try Contest(workFolder: folder) { _ in }.run(
                [
                    contender("a", seconds: 2, list: list, turns: 3),
                    contender("b", seconds: 1, list: list, turns: 3),
                    contender("c", seconds: 5, list: list),
                ], warmup: 1, rounds: 2)
            #expect(try String(contentsOfFile: list, encoding: .utf8) == "abc" + "abcabab" + "abcabab")
            #expect(standings.map(\.seconds.count) == [6, 6, 2])
            #expect(standings.map(\.median) == [2, 1, 5])
            #expect(standings.allSatisfy { !$0.isBound && $0.peakBytes > 0 })
        }
    }

    @Test func `whoever takes too long is ended and counted as if it had just finished`() throws {
        try withTemporaryFolder { folder in
            let list = "\(folder)/list"
            let stuck = Contender(
                name: "stuck", command: ["sh", "-c", "echo '{}'; read -r _; exec sleep 60"], limit: 0.3)
            let standings = try Contest(workFolder: folder) { _ in }.run(
                [contender("a", seconds: 1, list: list), stuck], warmup: 0, rounds: 2)
            #expect(standings.map(\.isBound) == [false, true])
            #expect(standings.map(\.seconds) == [[1, 1], [0.3]])
        }
    }

    @Test func `whoever is not ready in time is ended and has taken no step`() throws {
        try withTemporaryFolder { folder in
            let silent = Contender(name: "silent", command: ["sleep", "60"], limit: 60)
            let standings = try Contest(workFolder: folder, readyLimit: 0.3) { _ in }.run(
                [silent], warmup: 1, rounds: 2)
            #expect(standings.map(\.isBound) == [true])
            #expect(standings.map(\.seconds) == [[]])
            #expect(standings.allSatisfy { $0.median.isNaN && $0.total.isNaN && $0.peakGigabytes.isNaN })
        }
    }

    @Test func `a program that has died is reported with its status and its last words`() throws {
        try withTemporaryFolder { folder in
            // Its step takes long enough for the other to be gone when that one is asked.
            let slow = Contender(
                name: "slow",
                command: [
                    "sh", "-c", "echo '{}'; while read -r _; do sleep 0.5; echo '{\"seconds\":1}'; done",
                ], limit: 60)
            let dead = Contender(
                name: "dead", command: ["sh", "-c", "echo '{}'; echo 'out of luck' >&2; exit 3"], limit: 60)
            let error = #expect(throws: InputError.self) {
                try Contest(workFolder: folder) { _ in }.run([slow, dead], warmup: 0, rounds: 1)
            }
            #expect(error?.location == "dead")
            #expect(error?.problem == "the program ended with status 3: out of luck")
        }
    }
}

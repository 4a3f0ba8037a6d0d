// Programs that take steps in turns, here a shell that writes down who was asked.

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
}

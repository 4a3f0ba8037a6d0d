// What a run of benchmarks found, as values, and as JSON lines: a line for the run, one for every
// finished case, every figure and every bar.

internal import FileSupport
internal import Foundation

/// One number that was measured.
struct Figure: Codable, Equatable {
    /// Which case, e.g. `step`.
    var scenario: String
    /// Who or what of it, e.g. `PEFT f32` or a shape.
    var subject: String
    /// What of that, e.g. `seconds`.
    var quantity: String
    var value: Double
    /// True where the program was stopped: the true value is no smaller.
    var isBound = false

    var key: String { "\(scenario) | \(subject) | \(quantity)" }
}

/// A value and what it must reach.
struct Bar: Codable, Equatable {
    enum Direction: String, Codable { case atLeast = "at least", atMost = "at most" }

    var name: String
    var direction: Direction
    var goal: Double
    /// Nil where it could not be measured.
    var value: Double?
    var unit: String
    /// What to know about the value: against what it was measured, or why it was not.
    var note: String

    var isMet: Bool {
        guard let value else { return false }
        return direction == .atLeast ? value >= goal : value <= goal
    }
}

/// A case that ran to its end.
struct FinishedCase: Codable, Equatable {
    var name: String
    /// What it took, all in all.
    var seconds: Double
}

/// What a run was told that changes what it measures.
struct RunOptions: Codable, Equatable {
    var model: String
    var gemma: String?
    var data: String?
    /// Batches of each real data set; 0 for the whole epoch.
    var epochBatches: Int
    /// The peer's program; nil where there was no Python for it.
    var peer: String?
}

/// Everything of one run.
struct RunRecord: Equatable {
    var machine: Machine
    var form: String
    /// Nil where the file does not say: older ones do not.
    var options: RunOptions?
    var cases: [FinishedCase] = []
    var figures: [Figure] = []
    var bars: [Bar] = []

    func has(_ speedCase: SpeedCase) -> Bool { cases.contains { $0.name == speedCase.rawValue } }

    /// Cases of the run's form that are not in it. None where no case is: it is then a table of figures, or an older file.
    var missingCases: [SpeedCase] {
        guard !cases.isEmpty, let form = SpeedForm(rawValue: form) else { return [] }
        return SpeedCase.allCases.filter { $0.isIn(form) && !has($0) }
    }

    /// Whether a run of these cases can go on with this one: some are missing, and the others were measured as it would.
    func canGoOn(as setting: SpeedSetting, on machine: Machine, with wanted: [SpeedCase]) -> Bool {
        form == setting.form.rawValue && options == setting.options && !wanted.allSatisfy(has)
            && self.machine.measuresAlike(machine)
    }

    /// Keeps the figures that have a value: a program that was stopped early leaves some without.
    mutating func add(figures new: [Figure]) { figures += new.filter { $0.value.isFinite } }

    /// Keeps bars; one whose value is no number was not measured.
    mutating func add(bars new: [Bar]) {
        bars += new.map { bar in
            var bar = bar
            if let value = bar.value, !value.isFinite { bar.value = nil }
            return bar
        }
    }

    func figure(_ scenario: String, _ subject: String, _ quantity: String) -> Figure? {
        figures.first { $0.scenario == scenario && $0.subject == subject && $0.quantity == quantity }
    }
}

extension RunRecord {
    private struct Header: Codable {
        var record = "run"
        var form: String
        var machine: Machine
        var options: RunOptions?
    }

    private struct Line<Body: Codable>: Codable {
        var record: String
        var body: Body

        func encode(to encoder: any Encoder) throws {
            try body.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(record, forKey: .record)
        }

        private enum CodingKeys: String, CodingKey { case record, body }
    }

    /// The run as JSON lines.
    func jsonLines() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func line(_ value: some Encodable) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
        }
        return try line(Header(form: form, machine: machine, options: options))
            + cases.map { try line(Line(record: "case", body: $0)) }.joined()
            + figures.map { try line(Line(record: "figure", body: $0)) }.joined()
            + bars.map { try line(Line(record: "bar", body: $0)) }.joined()
    }

    /// Reads what `jsonLines` wrote.
    init(contentsOf path: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        struct Kind: Decodable { var record: String }
        var header: Header?
        var (cases, figures, bars): ([FinishedCase], [Figure], [Bar]) = ([], [], [])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for (number, line) in text.split(separator: "\n").enumerated() {
            let data = Data(line.utf8)
            do {
                switch try decoder.decode(Kind.self, from: data).record {
                case "run": header = try decoder.decode(Header.self, from: data)
                case "case": cases.append(try decoder.decode(FinishedCase.self, from: data))
                case "figure": figures.append(try decoder.decode(Figure.self, from: data))
                case "bar": bars.append(try decoder.decode(Bar.self, from: data))
                default: continue
                }
            } catch {
                throw InputError("\(path) line \(number + 1)", "not a line of a benchmark run: \(error)")
            }
        }
        guard let header else {
            throw InputError(
                path, "there is no line of a run in it", advice: "Give a file that --save wrote.")
        }
        self.init(
            machine: header.machine, form: header.form, options: header.options, cases: cases,
            figures: figures, bars: bars)
    }
}

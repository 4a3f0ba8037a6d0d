// A regular expression compiled to instructions for `PatternMatcher`.

import FileSupport

/// Immutable, and shared by all that match with it.
final class PatternProgram: Sendable {
    struct Instruction: Sendable {
        enum Operation: UInt8, Sendable {
            /// Takes one character of set `first`.
            case character
            /// Goes on behind itself, and when that fails at `first`. Goes to `first` at once when the next character
            /// is not in set `second`, unless that is -1.
            case split
            /// The same, with `first` tried before what is behind.
            case splitLazily
            case jump
            /// Takes characters of set `first`: at least `second`, at most `third`.
            case repeatGreedily, repeatLazily, repeatPossessively
            /// Runs what is behind up to its `accept`, once; goes on at `first`.
            case atomic
            /// The same without taking anything; `second` is 1 where it must not match.
            case lookAhead
            /// `third` characters back.
            case lookBehind
            /// `first` is the raw value of a `PatternNode.Assertion`.
            case assertion
            /// Notes the position in slot `first`.
            case mark
            /// Goes to `second` when nothing was taken since the mark in slot `first`.
            case leaveWithoutProgress
            case accept
        }

        var operation: Operation
        var first = 0
        var second = 0
        var third = 0
    }

    let instructions: [Instruction]
    let bitmaps: CodePointBitmaps
    let slotCount: Int
    /// The set of characters that a match starts with, or nil where a match may be empty.
    let startSet: Int?

    /// Repetitions are written out, so a short pattern can become a long program.
    static let mostInstructions = 20_000

    init(_ pattern: String, location: String) throws(InputError) {
        let node = try PatternParser.parse(pattern, location: location)
        var compiler = PatternCompiler(pattern: pattern, location: location)
        try compiler.emit(node)
        try compiler.append(.accept)
        startSet = node.isNullable ? nil : try compiler.number(of: node.firstCharacters)
        instructions = compiler.instructions
        bitmaps = compiler.bitmaps
        slotCount = compiler.slotCount
    }
}

/// Writes the instructions of a tree.
private struct PatternCompiler {
    typealias Instruction = PatternProgram.Instruction

    let pattern: String
    let location: String
    var instructions: [Instruction] = []
    var bitmaps = CodePointBitmaps()
    var slotCount = 0

    mutating func append(
        _ operation: Instruction.Operation, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0
    ) throws(InputError) {
        guard instructions.count < PatternProgram.mostInstructions else { throw tooLarge() }
        instructions.append(Instruction(operation: operation, first: first, second: second, third: third))
    }

    func tooLarge() -> InputError {
        InputError(location, "the pattern \(pattern.prefix(300)) is too large")
    }

    mutating func number(of set: CodePointSet) throws(InputError) -> Int {
        guard let number = bitmaps.number(of: set) else { throw tooLarge() }
        return number
    }

    /// The set that guards a branch: without one of its characters the branch cannot match. -1 where there is none.
    private mutating func guardSet(_ node: PatternNode) throws(InputError) -> Int {
        node.isNullable ? -1 : try number(of: node.firstCharacters)
    }

    mutating func emit(_ node: PatternNode) throws(InputError) {
        switch node {
        case .empty:
            break
        case .set(let set):
            try append(.character, try number(of: set))
        case .sequence(let parts):
            for part in parts { try emit(part) }
        case .alternatives(let choices):
            var jumps: [Int] = []
            for (index, choice) in choices.enumerated() {
                guard index < choices.count - 1 else {
                    try emit(choice)
                    break
                }
                let split = instructions.count
                try append(.split, 0, try guardSet(choice))
                try emit(choice)
                jumps.append(instructions.count)
                try append(.jump)
                instructions[split].first = instructions.count
            }
            for jump in jumps { instructions[jump].first = instructions.count }
        case .repeated(let body, let minimum, let maximum, let kind):
            try emitRepeated(body, minimum, maximum, kind)
        case .atomic(let body):
            try emitNested(.atomic, body, isNegative: false, length: 0)
        case .lookAhead(let body, let isNegative):
            try emitNested(.lookAhead, body, isNegative: isNegative, length: 0)
        case .lookBehind(let body, let isNegative, let length):
            try emitNested(.lookBehind, body, isNegative: isNegative, length: length)
        case .assertion(let assertion):
            try append(.assertion, assertion.rawValue)
        }
    }

    private mutating func emitNested(
        _ operation: Instruction.Operation, _ body: PatternNode, isNegative: Bool, length: Int
    ) throws(InputError) {
        let start = instructions.count
        try append(operation, 0, isNegative ? 1 : 0, length)
        try emit(body)
        try append(.accept)
        instructions[start].first = instructions.count
    }

    private mutating func emitRepeated(
        _ body: PatternNode, _ minimum: Int, _ maximum: Int?, _ kind: PatternNode.RepeatKind
    ) throws(InputError) {
        if case .set(let set) = body {
            let operation: Instruction.Operation =
                switch kind {
                case .greedy: .repeatGreedily
                case .lazy: .repeatLazily
                case .possessive: .repeatPossessively
                }
            return try append(operation, try number(of: set), minimum, maximum ?? Int.max)
        }
        guard kind != .possessive else {
            return try emit(.atomic(.repeated(body, minimum: minimum, maximum: maximum, .greedy)))
        }
        for _ in 0..<minimum { try emit(body) }
        let split: Instruction.Operation = kind == .lazy ? .splitLazily : .split
        let guardSet = kind == .lazy ? -1 : try guardSet(body)
        if let maximum {
            var exits: [Int] = []
            for _ in minimum..<max(maximum, minimum) {
                exits.append(instructions.count)
                try append(split, 0, guardSet)
                try emit(body)
            }
            for exit in exits { instructions[exit].first = instructions.count }
            return
        }
        let start = instructions.count
        try append(split, 0, guardSet)
        if body.isNullable {
            let slot = slotCount
            slotCount += 1
            try append(.mark, slot)
            try emit(body)
            let check = instructions.count
            try append(.leaveWithoutProgress, slot)
            instructions[check].second = check + 2
        } else {
            try emit(body)
        }
        try append(.jump, start)
        instructions[start].first = instructions.count
    }
}

// Finds the matches of a compiled pattern by backtracking, with memory of what failed so that it does not blow up.

/// The working memory of one pattern. Reused from text to text.
///
/// A state (instruction, position) that failed fails again whatever came before it, as there are no back references. So
/// a run of one set that could not be continued from any of its positions is remembered as a whole, and once a search
/// has taken many steps every branch that failed is. With both, a search takes time linear in the text. What escapes
/// them (assertions that look far ahead and succeed) is cut off: a search that takes more
/// than `mostSteps` finds nothing more in its text, as the library that defines these patterns gives up, too.
struct PatternMatcher: Sendable {
    let program: PatternProgram

    private enum EntryKind: UInt8, Sendable {
        case resume
        /// A greedy run: may give back characters down to `limit`.
        case giveBack
        /// A lazy run: may take characters while `limit` of them are left.
        case takeMore
        case restoreSlot
        /// All ways to go on from here failed.
        case failed
    }

    private struct Entry: Sendable {
        var kind: EntryKind
        var instruction: Int32
        var position: Int
        var limit: Int
        /// Where a run started, and how far it went at first.
        var start: Int
        var end: Int
        /// Of `failed`: the key of the state.
        var state: UInt64 = 0
    }

    private var stack: [Entry] = []
    private var slots: [Int]
    /// For each instruction that repeats a set, the last run from which nothing led to a match.
    private var failedRuns: [Int32: ClosedRange<Int>] = [:]
    private var failedStates: Set<UInt64> = []
    private var piece = 0..<0
    private var steps = 0
    private var gaveUp = false

    private static let stepsBeforeRemembering = 4096
    private static let mostRemembered = 1 << 20
    /// Shorter runs are tried again faster than they are looked up.
    private static let shortestRememberedRun = 16

    private var mostSteps: Int { (1 << 24) + 64 * piece.count }

    init(_ program: PatternProgram) {
        self.program = program
        slots = [Int](repeating: -1, count: program.slotCount)
    }

    /// The first match at or after `start`; nothing outside `piece` exists for the pattern. A match may be empty.
    mutating func firstMatch(
        in bytes: UnsafeBufferPointer<UInt8>, piece: Range<Int>, from start: Int
    ) -> Range<Int>? {
        if piece != self.piece {
            self.piece = piece
            gaveUp = false
            failedRuns.removeAll(keepingCapacity: true)
            failedStates.removeAll(keepingCapacity: true)
        }
        guard !gaveUp else { return nil }
        steps = 0
        return program.instructions.withUnsafeBufferPointer { instructions in
            program.bitmaps.blocks.withUnsafeBufferPointer { blocks in
                program.bitmaps.words.withUnsafeBufferPointer { words in
                    let text = PatternText(
                        bytes: bytes, piece: piece, lookup: CodePointLookup(blocks: blocks, words: words))
                    return search(instructions, text, from: start)
                }
            }
        }
    }

    /// Forgets the text: buffers may come back at the same place with other bytes.
    mutating func forget() {
        piece = 0..<0
        if stack.capacity > 1 << 16 { stack = [] }
        if failedStates.capacity > 1 << 12 { failedStates = [] }
    }

    private mutating func search(
        _ instructions: UnsafeBufferPointer<PatternProgram.Instruction>, _ text: PatternText, from start: Int
    ) -> Range<Int>? {
        var position = start
        while position <= piece.upperBound {
            if let startSet = program.startSet {
                while position < piece.upperBound, text.length(at: position, in: startSet) == 0 {
                    position += text.length(at: position)
                }
                guard position < piece.upperBound else { return nil }
            }
            if let end = run(instructions, text, from: 0, at: position) { return position..<end }
            guard !gaveUp, position < piece.upperBound else { return nil }
            position += text.length(at: position)
        }
        return nil
    }

    /// Runs from an instruction to the next `accept`; the position there, or nil.
    private mutating func run(
        _ instructions: UnsafeBufferPointer<PatternProgram.Instruction>, _ text: PatternText, from first: Int,
        at start: Int
    ) -> Int? {
        let base = stack.count
        let end = piece.upperBound
        var counter = first
        var position = start
        while true {
            let instruction = instructions[counter]
            steps += 1
            var goesOn = false
            switch instruction.operation {
            case .character:
                if position < end {
                    let length = text.length(at: position, in: instruction.first)
                    position += length
                    counter += 1
                    goesOn = length > 0
                }
            case .split, .splitLazily:
                if instruction.second >= 0,
                    position == end || text.length(at: position, in: instruction.second) == 0
                {
                    counter = instruction.first
                    goesOn = true
                } else if steps > Self.stepsBeforeRemembering, isKnownToFail(counter, position) {
                    goesOn = false
                } else {
                    let isLazy = instruction.operation == .splitLazily
                    push(.resume, isLazy ? counter + 1 : instruction.first, position)
                    counter = isLazy ? instruction.first : counter + 1
                    goesOn = true
                }
            case .jump:
                counter = instruction.first
                goesOn = true
            case .repeatGreedily, .repeatPossessively, .repeatLazily:
                if steps > Self.stepsBeforeRemembering, isKnownToFail(counter, position) {
                    goesOn = false
                } else if let reached = startRun(instruction, counter, text, at: position) {
                    position = reached
                    counter += 1
                    goesOn = true
                }
            case .atomic:
                if let reached = run(instructions, text, from: counter + 1, at: position) {
                    position = reached
                    counter = instruction.first
                    goesOn = true
                }
            case .lookAhead, .lookBehind:
                let from =
                    instruction.operation == .lookAhead
                    ? position : text.position(instruction.third, charactersBefore: position)
                let found = from.flatMap { run(instructions, text, from: counter + 1, at: $0) } != nil
                goesOn = !gaveUp && found != (instruction.second == 1)
                counter = instruction.first
            case .assertion:
                goesOn = text.holds(PatternNode.Assertion(rawValue: instruction.first), at: position)
                counter += 1
            case .mark:
                push(.restoreSlot, instruction.first, slots[instruction.first])
                slots[instruction.first] = position
                counter += 1
                goesOn = true
            case .leaveWithoutProgress:
                counter = slots[instruction.first] == position ? instruction.second : counter + 1
                goesOn = true
            case .accept:
                stack.removeLast(stack.count - base)
                return position
            }
            if goesOn { continue }
            if steps > mostSteps { gaveUp = true }
            guard !gaveUp, let next = backtrack(instructions, text, to: base) else {
                stack.removeLast(stack.count - base)
                return nil
            }
            (counter, position) = next
        }
    }

    @inline(__always)
    private mutating func push(
        _ kind: EntryKind, _ instruction: Int, _ position: Int, limit: Int = 0, start: Int = 0
    ) {
        stack.append(
            Entry(
                kind: kind, instruction: Int32(truncatingIfNeeded: instruction), position: position,
                limit: limit,
                start: start, end: position))
    }

    /// Whether a branch failed before; if not, notes where it starts, so that its failure will be known.
    private mutating func isKnownToFail(_ counter: Int, _ position: Int) -> Bool {
        guard let state = state(counter, position) else { return false }
        if failedStates.contains(state) { return true }
        push(.failed, counter, position)
        stack[stack.count - 1].state = state
        return false
    }

    /// The key of a state. A loop over something that may be empty ends where its turn started, so which turns started
    /// here belongs to it; nil where too many loops of that kind would have to be told apart.
    private func state(_ counter: Int, _ position: Int) -> UInt64? {
        guard slots.count <= 8, position < 1 << 40 else { return nil }
        var starts: UInt64 = 0
        for (slot, start) in slots.enumerated() where start == position { starts |= 1 << UInt64(slot) }
        return UInt64(counter) << 48 | starts << 40 | UInt64(position)
    }

    /// Takes the first characters of a run; the position after them, or nil when it fails.
    @inline(__always)
    private mutating func startRun(
        _ instruction: PatternProgram.Instruction, _ counter: Int, _ text: PatternText, at start: Int
    ) -> Int? {
        let isLazy = instruction.operation == .repeatLazily
        let most = isLazy ? instruction.second : instruction.third
        if !failedRuns.isEmpty, failedRuns[Int32(truncatingIfNeeded: counter)]?.contains(start) == true {
            return nil
        }
        var position = start
        var least = start
        var count = 0
        while count < most, position < piece.upperBound {
            let length = text.length(at: position, in: instruction.first)
            if length == 0 { break }
            position += length
            count += 1
            if count == instruction.second { least = position }
        }
        guard count >= instruction.second else { return nil }
        switch instruction.operation {
        case .repeatGreedily where position > least:
            push(.giveBack, counter, position, limit: least, start: start)
        case .repeatLazily where count < instruction.third:
            push(.takeMore, counter, position, limit: instruction.third - count, start: start)
        default:
            break
        }
        return position
    }

    /// The next state to try, or nil when there is none above `base`.
    private mutating func backtrack(
        _ instructions: UnsafeBufferPointer<PatternProgram.Instruction>, _ text: PatternText, to base: Int
    ) -> (counter: Int, position: Int)? {
        while stack.count > base {
            let last = stack.count - 1
            let entry = stack[last]
            let counter = Int(entry.instruction)
            steps += 1
            switch entry.kind {
            case .resume:
                stack.removeLast()
                return (counter, entry.position)
            case .giveBack:
                guard entry.position > entry.limit,
                    let before = text.position(1, charactersBefore: entry.position)
                else {
                    stack.removeLast()
                    remember(instructions, counter, entry.start...entry.end)
                    continue
                }
                stack[last].position = before
                return (counter + 1, before)
            case .takeMore:
                stack.removeLast()
                let length =
                    entry.position < piece.upperBound
                    ? text.length(at: entry.position, in: instructions[counter].first) : 0
                guard length > 0 else {
                    remember(instructions, counter, entry.start...entry.position)
                    continue
                }
                if entry.limit > 1 {
                    push(
                        .takeMore, counter, entry.position + length, limit: entry.limit - 1,
                        start: entry.start)
                }
                return (counter + 1, entry.position + length)
            case .restoreSlot:
                slots[counter] = entry.position
                stack.removeLast()
            case .failed:
                stack.removeLast()
                if failedStates.count < Self.mostRemembered { failedStates.insert(entry.state) }
            }
        }
        return nil
    }

    private mutating func remember(
        _ instructions: UnsafeBufferPointer<PatternProgram.Instruction>, _ counter: Int,
        _ run: ClosedRange<Int>
    ) {
        guard run.count > Self.shortestRememberedRun, instructions[counter].third == Int.max,
            program.slotCount == 0
        else { return }
        failedRuns[Int32(truncatingIfNeeded: counter)] = run
    }
}

/// The text of one search, and the sets of its pattern.
private struct PatternText {
    let bytes: UnsafeBufferPointer<UInt8>
    let piece: Range<Int>
    let lookup: CodePointLookup

    /// The bytes of the character here when it is in a set, otherwise 0.
    @inline(__always)
    func length(at position: Int, in set: Int) -> Int {
        lookup.length(ofMemberOf: set, in: bytes, at: position, end: piece.upperBound)
    }

    func length(at position: Int) -> Int {
        decodeScalar(bytes, at: position, end: piece.upperBound).length
    }

    /// So many characters back, or nil where there are not so many.
    func position(_ count: Int, charactersBefore end: Int) -> Int? {
        var position = end
        for _ in 0..<count {
            guard let before = characterStart(bytes, before: position, from: piece.lowerBound) else {
                return nil
            }
            position = before
        }
        return position
    }

    func holds(_ assertion: PatternNode.Assertion?, at position: Int) -> Bool {
        let isAtEnd = position == piece.upperBound
        let lineFeed = UInt8(ascii: "\n")
        switch assertion {
        case .startOfText: return position == piece.lowerBound
        case .endOfText: return isAtEnd
        case .endOfTextOrLastLine:
            return isAtEnd || position + 1 == piece.upperBound && bytes[position] == lineFeed
        case .startOfLine:
            // Not behind a line feed that ends the text.
            return position == piece.lowerBound || !isAtEnd && bytes[position - 1] == lineFeed
        case .endOfLine: return isAtEnd || bytes[position] == lineFeed
        case .wordBoundary: return isWordBoundary(position)
        case .noWordBoundary: return !isWordBoundary(position)
        case nil: return false
        }
    }

    private func isWordBoundary(_ position: Int) -> Bool {
        let before = characterStart(bytes, before: position, from: piece.lowerBound)
        return before.map(isWord) ?? false != (position < piece.upperBound && isWord(position))
    }

    private func isWord(_ position: Int) -> Bool {
        CodePointSet.word.contains(decodeScalar(bytes, at: position, end: piece.upperBound).codePoint)
    }
}

// Answers in generated text.

import FileSupport
import Testing

@testable import Evaluation

@Suite struct AnswerTests {
    @Test(
        arguments: [
            ("The answer is 12.", 12), ("the ANSWER IS: $1,234.50.", 1234.5), ("The answer is -15.", -15),
            ("The answer is −15.", -15), ("The answer is -$5.", -5), ("The answer is $480.", 480),
            ("The answer is 12% of 50.", 12), ("The answer is 0.26", 0.26), ("The answer is .5", 0.5),
            ("The answer is 1,000,000 people.", 1_000_000), ("The answer is 3 + 4 = 7 kids. Check: 9", 7),
            ("The answer is 5. No wait. The answer is 6.", 6), ("The answer is 7 dogs, not 8.", 7),
            ("So 16-12 = 4", 4), ("16-12", 12), ("x=-4", -4), ("from 3 to -2 degrees", -2),
            ("We get 5 apples, 6 pears", 6), ("It costs 1.5e3 dollars", 1500), ("(3) * (-2)", -2),
            ("Answer: 42", 42), ("1,2,3", 3), ("12,34", 34), ("5 eggs", 5),
            ("the answer is unclear, perhaps 9", 9),
            ("The answer is 10\n\nQuestion: 99 bottles?", 10), ("7.", 7), ("2.5.", 2.5),
        ] as [(String, Double)])
    func `the final number of a text`(text: String, number: Double) {
        #expect(Answer.number(0).extracted(from: text) == .number(number))
    }

    @Test(arguments: ["", "I do not know.", "...", "-", "answer is", "H2O"])
    func `a text without a number answers nothing`(text: String) {
        #expect(Answer.number(0).extracted(from: text) == nil)
    }

    @Test func `numbers are compared with a tolerance`() {
        #expect(Answer.number(0.333).matches(.number(0.3335)))
        #expect(!Answer.number(0.333).matches(.number(0.335)))
        #expect(Answer.number(118_558).matches(.number(118_558.0)))
        #expect(!Answer.number(1).matches(.option("1")))
        #expect(!Answer.number(0).matches(nil))
    }

    @Test(
        arguments: [
            ("answer1", "the correct answer is answer2", "answer2"),
            ("answer1", "Answer3 seems best", "Answer3"),
            ("true", "the correct answer is false", "false"),
            ("B", "Rationale: A lot. The answer is (E).", "E"),
            ("solution2", "not answer1 but solution1", "solution1"),
            ("ending4", "the correct answer is ending4.", "ending4"),
            ("C", "B", "B"),
        ])
    func `the option of a text`(sample: String, text: String, option: String) {
        #expect(Answer.option(sample).extracted(from: text) == .option(option))
    }

    @Test func `options match whole and whatever their case`() {
        #expect(Answer.option("answer1").matches(.option("Answer1")))
        #expect(!Answer.option("answer1").matches(.option("answer12")))
        #expect(Answer.option("answer1").extracted(from: "it is answer12") == .option("answer12"))
        #expect(Answer.option("B").extracted(from: "I do not know") == nil)
        #expect(Answer.option("answer1").extracted(from: "answer, answers") == nil)
    }

    @Test func `a record's answer is a number where it looks like one`() throws {
        let expected: [(JSONValue, Answer)] = [
            (.string("12"), .number(12)), (.string("118558.0"), .number(118_558)),
            (.string("-15.0"), .number(-15)),
            (.string("1,250"), .number(1250)), (.string("answer2"), .option("answer2")),
            (.string("B"), .option("B")),
            (.string("true"), .option("true")), (.bool(false), .option("false")), (.integer(4), .number(4)),
            (.number(0.5), .number(0.5)),
        ]
        for (value, answer) in expected { #expect(try Answer(value, location: "test") == answer) }
        #expect(throws: InputError.self) { try Answer(.string("two words"), location: "test") }
        #expect(throws: InputError.self) { try Answer(.string(""), location: "test") }
        #expect(throws: InputError.self) { try Answer(.array([]), location: "test") }
    }

    @Test func `hostile text neither crashes nor stalls`() {
        let long = String(repeating: "1,234.5e-", count: 20_000)
        #expect(Answer.number(0).extracted(from: long) != nil)
        #expect(
            Answer.number(0).extracted(from: String(repeating: "9", count: 100_000)) == .number(.infinity))
        #expect(Answer.number(0).extracted(from: "answer is answer is answer is 😀−") == nil)
        #expect(!Answer.number(.infinity).matches(.number(.infinity)), "an overflow is no answer")
    }
}

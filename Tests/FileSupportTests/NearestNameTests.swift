// NearestName: near enough is offered, anything else is not.

import FileSupport
import Testing

@Suite struct NearestNameTests {
    private let known = ["learning_rate", "rank", "alpha", "batch_size", "epochs", "seed"]

    @Test(arguments: [
        ("learning-rate", "learning_rate"), ("learning_rat", "learning_rate"),
        ("lerning_rtae", "learning_rate"),
        ("Rank", "rank"), ("ranks", "rank"), ("apha", "alpha"), ("batchsize", "batch_size"), ("sede", "seed"),
    ])
    func suggestsTheNearestName(_ wrong: String, _ right: String) {
        #expect(NearestName.suggestion(for: wrong, among: known) == right)
    }

    @Test(arguments: ["", "temperature", "xy", "rate"])
    func suggestsNothingWhenNothingIsNear(_ wrong: String) {
        #expect(NearestName.suggestion(for: wrong, among: known) == nil)
    }

    @Test func phrasesAdvice() {
        #expect(NearestName.advice(for: "epoch", among: known) == "Did you mean \"epochs\"?")
    }
}

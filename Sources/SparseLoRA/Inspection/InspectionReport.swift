// What `inspect` found, for people and for programs.

public import FileSupport

/// Facts about a file, in the order in which a person wants them.
public struct InspectionReport: Sendable {
    /// A titled table; its first row names the columns.
    public struct Table: Sendable {
        /// What the rows are about.
        public var title: String
        /// Cells, row by row.
        public var rows: [[String]]
    }

    /// What kind of thing it is.
    public var title: String
    /// Name and value, as people read them.
    public var facts: [(name: String, value: String)] = []
    /// What has more than one value, such as counts by type.
    public var tables: [Table] = []
    /// Longer texts, such as examples with their trained parts marked.
    public var texts: [String] = []
    /// The same for programs, with exact numbers.
    public var json = JSONValue.object(JSONObject())
}

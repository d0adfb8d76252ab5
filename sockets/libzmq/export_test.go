package libzmq

// StartWithin is Start with another patience for decisions.
var StartWithin = start

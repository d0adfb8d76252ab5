// Package sasl authenticates clients inside any ZeroMQ protocol, by the Simple
// Authentication and Security Layer (RFC 4422).
package sasl

package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/zcurve/zcurve/sockets/zmq4"
)

// delimiter ends the routing ids of a message.
const delimiter = "<IDS|MSG>"

// header identifies a message.
type header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"`
	Username string `json:"username"`
	Date     string `json:"date"`
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
}

// request is a message from a client.
type request struct {
	ids     [][]byte // of the client, for the reply
	header  header
	raw     []byte // the header as it came, for the reply
	content json.RawMessage
}

// signer signs and checks messages with the key of the connection file.
type signer struct {
	key     []byte
	session string
}

// sign returns the signature of four parts: header, header of the request, metadata, content.
func (s signer) sign(parts [][]byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		mac.Write(part)
	}
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// parse checks a message: ids, delimiter, signature, header, parent, metadata, content.
func (s signer) parse(frames [][]byte) (*request, error) {
	for i, frame := range frames {
		if string(frame) != delimiter {
			continue
		}
		parts := frames[i+1:]
		if len(parts) < 5 {
			return nil, errors.New("message is too short")
		}
		if !hmac.Equal(parts[0], s.sign(parts[1:5])) {
			return nil, errors.New("signature is invalid")
		}
		r := &request{ids: frames[:i], raw: parts[1], content: parts[4]}
		return r, json.Unmarshal(r.raw, &r.header)
	}
	return nil, errors.New("message without a delimiter")
}

// message returns a signed message about a request.
func (s signer) message(ids [][]byte, about *request, typ string, content any) (zmq4.Msg, error) {
	head, err := json.Marshal(header{ID: rand.Text(), Session: s.session, Username: "kernel", Type: typ, Version: "5.3",
		Date: time.Now().UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return zmq4.Msg{}, err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return zmq4.Msg{}, err
	}
	parts := [][]byte{head, about.raw, []byte("{}"), text}
	frames := append(ids[:len(ids):len(ids)], []byte(delimiter), s.sign(parts))
	return zmq4.NewMsgFrom(append(frames, parts...)...), nil
}

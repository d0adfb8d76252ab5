package zap

import (
	"context"
	"slices"
)

// Answer takes the frames of a request, asks the handler like [Ask], and returns the
// frames of the reply. It returns no frames if the request has no return address. asker
// becomes [Request.Asker]. The error is for the log, like the error of Ask.
//
// The caller must not change the frames afterwards, because the handler may keep them.
func Answer(ctx context.Context, h Handler, asker string, request [][]byte) (reply [][]byte, err error) {
	env, req, reply, err := begin(asker, request)
	if req == nil {
		return reply, err
	}
	decision, err := ask(ctx, h, req)
	return appendReply(nil, env, decision), err
}

// AnswerAtOnce is like [Answer] if h is a PromptHandler that decides the request at once,
// or if the request is malformed. Otherwise, later is not nil, and answers the request
// with h or another handler, without parsing it again. Call later at most once.
//
// The caller may reuse the frames of the request when it has sent the reply. later has
// copies of them.
func AnswerAtOnce(h Handler, asker string, request [][]byte) (reply [][]byte, later func(context.Context, Handler) ([][]byte, error), err error) {
	env, req, reply, err := begin(asker, request)
	if req == nil {
		return reply, nil, err
	}
	decision, ok, err := askAtOnce(h, req)
	if !ok {
		return nil, answerLater(env, req), nil
	}
	return appendReply(nil, env, decision), nil, err
}

// answerLater returns a function that answers a copy of a request.
func answerLater(env envelope, req *Request) func(context.Context, Handler) ([][]byte, error) {
	frames := cloneFrames(slices.Concat(env.routingIDs, req.Credentials, [][]byte{env.requestID, req.RoutingID}))
	ids, n := len(env.routingIDs), len(frames)
	env.routingIDs, env.requestID = frames[:ids:ids], frames[n-2]
	req.Credentials, req.RoutingID = frames[ids:n-2:n-2], frames[n-1]
	return func(ctx context.Context, h Handler) ([][]byte, error) {
		decision, err := askInTime(ctx, h, req)
		return appendReply(nil, env, decision), err
	}
}

// cloneFrames copies frames to one piece of memory. It changes the slice in place.
func cloneFrames(frames [][]byte) [][]byte {
	data := slices.Concat(frames...)
	for i, frame := range frames {
		n := len(frame)
		frames[i], data = data[:n:n], data[n:]
	}
	return frames
}

// begin parses a request. If the request is malformed, req is nil, and reply has the
// frames of a reply unless the request has no return address.
func begin(asker string, frames [][]byte) (env envelope, req *Request, reply [][]byte, err error) {
	env, req, canAnswer, err := parseRequest(frames)
	if err != nil {
		if canAnswer {
			reply = appendReply(nil, env, malformed)
		}
		return env, nil, reply, err
	}
	req.Asker = asker
	return env, req, nil, nil
}

<?php
// SPDX-License-Identifier: Apache-2.0
//
// A target of a NotificationEndpoint in PHP, with nothing but its standard library. For a try:
//
//   SECRET_FOLDER=/etc/cloudinary php -S 0.0.0.0:8080 listener.php

declare(strict_types=1);

const MAX_AGE = 30 * 24 * 3600; // as long as spec.receiver.retry.maxAge can be: what arrives late keeps its first timestamp
const MAX_FUTURE = 5 * 60;
const MAX_BODY = 3 * 1024 * 1024;

/** The files of the mounted Secret, read anew each time: a key that is rotated arrives while the program runs. */
function secrets(string $folder): array
{
    $found = [];
    foreach (scandir($folder) ?: [] as $name) {
        if ($name !== 'CLOUDINARY_URL' && $name !== 'api_secret' && !str_starts_with($name, 'signing.')) {
            continue;
        }
        $text = trim((string) file_get_contents("$folder/$name"));
        $found[] = $name === 'CLOUDINARY_URL' ? rawurldecode((string) parse_url($text, PHP_URL_PASS)) : $text;
    }
    return array_filter($found, fn ($secret) => $secret !== ''); // with an empty secret, anybody could sign
}

/** How to answer: 200 for a genuine notification. $body is the bytes as they came, not JSON that was decoded and encoded again. */
function verify(string $timestamp, string $signature, string $body, array $keys, int $now): int
{
    $algorithm = [40 => 'sha1', 64 => 'sha256'][strlen($signature)] ?? null;
    if (!preg_match('/^[1-9][0-9]{9}$/D', $timestamp) || $algorithm === null || !preg_match('/^[0-9a-f]+$/D', $signature)) {
        return 400;
    }
    $genuine = false;
    foreach ($keys as $secret) {
        $genuine = hash_equals(hash($algorithm, $body . $timestamp . $secret), $signature) || $genuine;
    }
    if (!$genuine) {
        return 503; // perhaps a key that is still on its way here: a 4xx would make a dead letter of it
    }
    $age = $now - (int) $timestamp;
    return $age > MAX_AGE || $age < -MAX_FUTURE ? 400 : 200;
}

/** Does the work. It may be called twice for one notification, after a crash in between. */
function handle(array $notification): void
{
    file_put_contents('php://stdout', ($notification['notification_type'] ?? '') . ' ' . ($notification['public_id'] ?? '') . "\n");
}

/** Whether this key was handled before. In the file system here: keep it in your database, best in the transaction of the work. */
function doneFile(string $key): string
{
    return sys_get_temp_dir() . '/cloudinary-' . hash('sha256', $key);
}

function take(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/healthz' ? 200 : 405;
    }
    $body = (string) file_get_contents('php://input', length: MAX_BODY + 1);
    if (strlen($body) > MAX_BODY) {
        return 413;
    }
    $keys = secrets(getenv('SECRET_FOLDER') ?: '/etc/cloudinary');
    $status = verify($_SERVER['HTTP_X_CLD_TIMESTAMP'] ?? '', $_SERVER['HTTP_X_CLD_SIGNATURE'] ?? '', $body, $keys, time());
    if ($status !== 200) {
        return $status;
    }
    $notification = json_decode($body, true);
    if (!is_array($notification) || !str_starts_with(ltrim($body), '{')) {
        return 400;
    }
    $key = $_SERVER['HTTP_IDEMPOTENCY_KEY'] ?? '';
    if ($key === '' || !file_exists(doneFile($key))) {
        handle($notification);
        if ($key !== '') {
            touch(doneFile($key));
        }
    }
    return 200; // only now: the work is done
}

try {
    http_response_code(take());
} catch (Throwable $error) {
    error_log((string) $error);
    http_response_code(503); // the receiver tries again
}
